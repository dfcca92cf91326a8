// TLS to a server known by its key or certificate: no CA, no name, no dates count.
import type { TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import { type Pin, pinCheck } from './pin.ts';

/** How long a connection may take to be made, in ms. */
const connectTimeoutMs = 10_000;

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
