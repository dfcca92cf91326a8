// Opens byte streams to a server, by whatever way its address says.
import type { NetConnectOpts } from 'node:net';
import type { Duplex } from 'node:stream';
import { buildConnector } from 'undici';
import { BulkSocket } from './bulk-socket.ts';
import type { ServerAddress } from './request.ts';

/** How long a connection may take to be made, in ms. */
const connectTimeoutMs = 10_000;

/** A function that opens a fresh connection to the address each time; the caller destroys what it gives. */
export async function dialer(address: ServerAddress): Promise<() => Promise<Duplex>> {
  if (address.kind === 'dial') return address.dial;
  if (address.kind === 'unix') return bulk({ path: address.path });
  const { pinnedCert: certPem, fingerprint } = address;
  const url = new URL(address.origin);
  if (url.protocol === 'http:') {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
    return bulk({ host, port: Number(url.port || 80) });
  }
  if (certPem === undefined && fingerprint === undefined) {
    return by(buildConnector({ timeout: connectTimeoutMs, allowH2: false }), url);
  }
  const { pinnedConnector } = await import('./tls.ts');
  return by(pinnedConnector({ certPem, fingerprint }), url);
}

const bulk = (where: NetConnectOpts) => (): Promise<Duplex> =>
  BulkSocket.connect(where, connectTimeoutMs);

function by(connect: buildConnector.connector, url: URL): () => Promise<Duplex> {
  const { protocol, hostname, host, port } = url;
  return () =>
    new Promise((resolve, reject) => {
      connect({ protocol, hostname, host, port }, (...[error, socket]) => {
        if (error === null) resolve(socket);
        else reject(error);
      });
    });
}
