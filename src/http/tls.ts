// TLS to a server known by its key or certificate: no CA, no name, no dates count.
import { createHash, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { buildConnector } from 'undici';
import { GomoteError } from '../errors.ts';

/** What a server must have; with both, it must have both. */
export interface Pin {
  /** The public key of this certificate, PEM. */
  readonly certPem?: string | undefined;
  /** Exactly the certificate of this SHA-256, in lower-case hex. */
  readonly fingerprint?: string | undefined;
}

/** How long a connection may take to be made, in ms. */
const connectTimeoutMs = 10_000;

/** Lower-case hex SHA-256 of the certificate's DER. */
export function fingerprintOf(certPem: string): string {
  return sha256(new X509Certificate(certPem).raw);
}

/** An undici connector that hands a connection over only after the server has shown what is pinned. */
export function pinnedConnector(pin: Pin): buildConnector.connector {
  const isPinned = matcher(pin);
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
      const certificate = (socket as TLSSocket).getPeerX509Certificate?.();
      if (certificate !== undefined && isPinned(certificate)) return callback(null, socket);
      socket.destroy();
      const seen = certificate === undefined ? 'none' : `sha256:${sha256(certificate.raw)}`;
      const message = `${options.host ?? options.hostname}: its certificate is not the pinned one (seen: ${seen})`;
      callback(
        new GomoteError('ERR_CERTIFICATE', message, {
          hint: 'someone else may be answering there',
        }),
        null,
      );
    });
  };
}

function matcher({ certPem, fingerprint }: Pin): (certificate: X509Certificate) => boolean {
  const key = certPem === undefined ? undefined : publicKey(new X509Certificate(certPem));
  return (certificate) =>
    (key === undefined || publicKey(certificate).equals(key)) &&
    (fingerprint === undefined || sha256(certificate.raw) === fingerprint);
}

const publicKey = (certificate: X509Certificate): Buffer =>
  certificate.publicKey.export({ type: 'spki', format: 'der' });

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
