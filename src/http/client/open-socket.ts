// Opens a connection to a server, by whatever way its address says: the only place that tells these ways apart.
import { once } from 'node:events';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ServerAddress } from './server-address.ts';
import type { Trust } from './tls.ts';

/** How long a connection may take to be made, in ms, the TLS handshake included. */
const connectTimeoutMs = 10_000;

/** Where a TCP connection goes, and what the other end must show. */
export interface TcpTarget extends Trust {
  /** `https://HOST[:PORT]`, or `http://…` without TLS. */
  readonly origin: string;
  /** An HTTP proxy's URL to go through. */
  readonly proxy?: string | undefined;
}

/** Connects to the address. The caller destroys what it gives. Fails as the system, TLS or the proxy does. */
export async function openSocket(address: ServerAddress): Promise<Duplex> {
  if (address.kind === 'dial') return await address.dial();
  if (address.kind === 'unix') return await opened({ path: address.path });
  const { pinnedCert: certPem, ...target } = address;
  return await openTcp({ ...target, certPem });
}

/** As `openSocket`, for TCP alone, also with authorities of the caller's own. */
export async function openTcp({ origin, proxy, ...trust }: TcpTarget): Promise<Socket> {
  const url = new URL(origin);
  const isTls = url.protocol === 'https:';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = Number(url.port || (isTls ? 443 : 80));
  const socket =
    proxy === undefined
      ? await opened({ host, port, noDelay: true, keepAlive: true })
      : await (await import('./proxy-tunnel.ts')).openTunnel(proxy, host, port);
  if (!isTls) return socket;
  const { startTls } = await import('./tls.ts');
  return await within(startTls(socket, host, trust), socket);
}

async function opened(where: NetConnectOpts): Promise<Socket> {
  const socket = connect(where);
  // One that fails between two of its users has no listener but this.
  socket.on('error', () => undefined);
  await within(once(socket, 'connect'), socket);
  return socket;
}

/** Waits for a step of the connection; one that fails or takes too long leaves no socket. */
async function within<T>(step: Promise<T>, socket: Socket): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    late = setTimeout(() => reject(new Error('connect timed out')), connectTimeoutMs);
  });
  try {
    return await Promise.race([step, timeout]);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(late);
  }
}
