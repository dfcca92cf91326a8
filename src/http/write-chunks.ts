// The body of a request in chunks (RFC 9112), written as it is made and as the peer takes it.
import type { Socket } from 'node:net';

/** How much may wait for the peer, in bytes: enough that neither has to wait for the other's turn. */
const aheadBytes = 1 << 20;

/** Writes the pieces and the end of the body. Stops when the connection is closed; fails as the pieces do. */
export async function writeChunks(
  socket: Socket,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  let waitingBytes = 0;
  let wake: () => void = () => undefined;
  const onClose = () => wake();
  socket.on('close', onClose);
  try {
    for await (const piece of pieces) {
      // An empty chunk would be the body's end.
      if (piece.length === 0) continue;
      waitingBytes += piece.length;
      socket.cork();
      socket.write(`${piece.length.toString(16)}\r\n`, 'latin1');
      socket.write(piece);
      socket.write('\r\n', 'latin1', () => {
        waitingBytes -= piece.length;
        wake();
      });
      socket.uncork();
      // What is made at once would otherwise keep the socket, and everything else, waiting.
      await new Promise((resolve) => setImmediate(resolve));
      while (waitingBytes >= aheadBytes && !socket.destroyed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (socket.destroyed) return;
    }
    socket.write('0\r\n\r\n', 'latin1');
  } finally {
    socket.off('close', onClose);
  }
}
