// A server may reply in the middle of a request and close the connection: read the reply before reporting the failed write.
import type { Socket } from 'node:net';
import { isErrno } from '../../errors.ts';

type Done = (error?: Error | null) => void;

/**
 * Delays the error of a write to a closed connection until everything was read: Node destroys a
 * socket whose write fails, and with it a reply that has already arrived.
 */
export function readFirst<T extends Socket>(socket: T): T {
  const afterReading = (done: Done): Done => {
    return (error) => {
      if (!isClosedByPeer(error) || socket.readableEnded || socket.destroyed) return done(error);
      const tell = () => {
        socket.off('end', tell).off('close', tell);
        done(error);
      };
      socket.once('end', tell).once('close', tell);
    };
  };
  const write = socket._write.bind(socket);
  socket._write = (chunk, encoding, done) => write(chunk, encoding, afterReading(done));
  const writev = socket._writev?.bind(socket);
  if (writev !== undefined) socket._writev = (chunks, done) => writev(chunks, afterReading(done));
  return socket;
}

const isClosedByPeer = (error: unknown): boolean => isErrno(error, 'EPIPE', 'ECONNRESET');
