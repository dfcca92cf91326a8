// Pinned certificates: the server must present a known one, and CA, name and dates are not checked.
import { hash, X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { GomoteError } from '../../errors.ts';
import { fingerprintDigits, fingerprintPattern } from '../../fingerprint.ts';

/** What the server must present. With both, both must match. */
export interface Pin {
  /** The public key of this certificate, PEM. */
  readonly certPem?: string | undefined;
  /** The SHA-256 of the certificate, in any usual spelling. */
  readonly fingerprint?: string | undefined;
}

/** Lower-case hex SHA-256 of the certificate's DER. */
export function fingerprintOf(certPem: string): string {
  return sha256(new X509Certificate(certPem).raw);
}

/** Returns a check for a connected socket, which returns an error, or undefined when the certificate matches. */
export function pinCheck(pin: Pin): (socket: TLSSocket, host: string) => GomoteError | undefined {
  const isPinned = matcher(pin);
  return (socket, host) => {
    const certificate = socket.getPeerX509Certificate?.();
    if (certificate !== undefined && isPinned(certificate)) return undefined;
    const seen = certificate === undefined ? 'none' : `sha256:${sha256(certificate.raw)}`;
    const message = `${host}: its certificate is not the pinned one (seen: ${seen})`;
    return new GomoteError('ERR_CERTIFICATE', message, {
      hint: 'someone else may be answering there, or it has a new one: compare it with what its owner says',
    });
  };
}

function matcher({ certPem, fingerprint: text }: Pin): (certificate: X509Certificate) => boolean {
  const key = certPem === undefined ? undefined : publicKey(new X509Certificate(certPem));
  const fingerprint = text === undefined ? undefined : fingerprintDigits(text);
  if (fingerprint !== undefined && !fingerprintPattern.test(fingerprint)) {
    throw new GomoteError('ERR_USAGE', `"${text}" is not the fingerprint of a certificate`, {
      hint: 'give its SHA-256, as sha256:HEX',
    });
  }
  return (certificate) =>
    (key === undefined || publicKey(certificate).equals(key)) &&
    (fingerprint === undefined || sha256(certificate.raw) === fingerprint);
}

const publicKey = (certificate: X509Certificate): Buffer =>
  certificate.publicKey.export({ type: 'spki', format: 'der' });

const sha256 = (bytes: Buffer): string => hash('sha256', bytes);
