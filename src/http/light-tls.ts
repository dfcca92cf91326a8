// A TLS connection to a server that is known by its key or certificate.
import { connect, type TLSSocket } from 'node:tls';
import { type Pin, pinCheck } from './pin.ts';

/** Gives the connection, over which the password may go, only when the server has shown what is pinned. */
export async function connectPinned(
  pin: Pin,
  where: { host: string; port: number; timeoutMs: number },
): Promise<TLSSocket> {
  const check = pinCheck(pin);
  return await new Promise((resolve, reject) => {
    // A resumed session would skip the certificate: none is kept.
    const socket = connect({ ...where, rejectUnauthorized: false });
    socket.setNoDelay(true);
    const late = setTimeout(() => socket.destroy(new Error('connect timed out')), where.timeoutMs);
    socket.once('error', reject).once('close', () => {
      clearTimeout(late);
      reject(new Error('the connection was closed'));
    });
    socket.once('secureConnect', () => {
      clearTimeout(late);
      const wrong = check(socket, where.host);
      if (wrong === undefined) return resolve(socket);
      reject(wrong);
      socket.destroy();
    });
  });
}
