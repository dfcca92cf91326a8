// TLS to a server that is trusted by its key, its certificate, or an authority.
import { isIP, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { type Pin, pinCheck } from './pin.ts';
import { readFirst } from './read-first.ts';

/** How a server is verified. With a pin, authority, name and dates are not checked. */
export interface Trust extends Pin {
  /** Certificates of authorities (PEM) in place of the system's. */
  readonly caPem?: string | undefined;
  /** Whether any certificate is accepted, in order to inspect it. */
  readonly isUnchecked?: boolean | undefined;
  /** The client certificate and key (PEM) for a server that asks for one. */
  readonly identity?: { readonly certPem: string; readonly keyPem: string } | undefined;
}

/** Resolves with the connection only after the server is verified, so that secrets may be sent over it. */
export async function startTls(socket: Socket, host: string, trust: Trust): Promise<TLSSocket> {
  const isPinned = trust.certPem !== undefined || trust.fingerprint !== undefined;
  const check = isPinned ? pinCheck(trust) : () => undefined;
  // No session is reused: a resumed one would skip the certificate.
  const secure = connect({
    socket,
    ...(isIP(host) === 0 ? { servername: host } : { host }),
    ...(trust.caPem === undefined ? {} : { ca: trust.caPem }),
    ...(trust.identity && { cert: trust.identity.certPem, key: trust.identity.keyPem }),
    rejectUnauthorized: !isPinned && trust.isUnchecked !== true,
  });
  secure.on('error', () => undefined);
  try {
    await new Promise<void>((resolve, reject) => {
      secure.once('secureConnect', resolve).once('error', reject);
      secure.once('close', () => reject(new Error('the connection was closed')));
    });
    const wrong = check(secure, host);
    if (wrong !== undefined) throw wrong;
    return readFirst(secure);
  } catch (error) {
    secure.destroy();
    throw error;
  }
}
