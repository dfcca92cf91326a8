// TLS to a server known by its key or certificate: no CA, no name, no dates count.
import type { TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import { type Pin, pinCheck } from './pin.ts';

/** How long a connection may take to be made, in ms. */
const connectTimeoutMs = 10_000;

/** An undici connector that believes certificates as Node does, or those of the given authorities (PEM) alone. */
export function plainConnector(caPem?: string): buildConnector.connector {
  const ca = caPem === undefined ? {} : { ca: caPem };
  return buildConnector({ allowH2: false, timeout: connectTimeoutMs, ...ca });
}

/** An undici connector that hands a connection over only after the server has shown what is pinned. */
export function pinnedConnector(pin: Pin): buildConnector.connector {
  const check = pinCheck(pin);
  const connect = buildConnector({
    rejectUnauthorized: false,
    // A resumed session would skip the certificate.
    maxCachedSessions: 0,
    allowH2: false,
    timeout: connectTimeoutMs,
  });
  return (options, callback) => {
    connect(options, (...[error, socket]) => {
      if (error !== null) return callback(error, null);
      const wrong = check(socket as TLSSocket, options.host ?? options.hostname);
      if (wrong === undefined) return callback(null, socket);
      socket.destroy();
      callback(wrong, null);
    });
  };
}

/** The certificate that a server shows, and whether Node would believe it without a pin. */
export async function certificateOf(
  origin: string,
  proxy: string | undefined,
): Promise<{ fingerprint: string; isTrusted: boolean }> {
  const { protocol, hostname, host, port } = new URL(origin);
  const direct = buildConnector({
    rejectUnauthorized: false,
    maxCachedSessions: 0,
    timeout: connectTimeoutMs,
  });
  const connect =
    proxy === undefined ? direct : (await import('./through-proxy.ts')).throughProxy(proxy, direct);
  return await new Promise((resolve, reject) => {
    connect({ protocol, hostname, host, port }, (...[error, socket]) => {
      if (error !== null) return reject(error);
      const { authorized } = socket as TLSSocket;
      const certificate = (socket as TLSSocket).getPeerX509Certificate?.();
      socket.destroy();
      if (certificate === undefined) return reject(new Error('it shows no certificate'));
      const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
      resolve({ fingerprint, isTrusted: authorized });
    });
  });
}
