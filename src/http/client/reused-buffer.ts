// Connections for Node's HTTP client. Its parser copies what it takes of a body, so all of them are read into one buffer: Node
// would allocate 64 KiB for each read.
import { connect, type NetConnectOpts, type Socket } from 'node:net';

const bufferBytes = 256 << 10;

let buffer: Buffer | undefined;

/** Connects. Listeners of the socket's `data` must take what they need of a chunk before they return. */
export function connectForHttp(options: NetConnectOpts): Socket {
  // Windows reads into the buffer before the socket's turn comes.
  if (process.platform === 'win32') return connect(options);
  buffer ??= Buffer.allocUnsafeSlow(bufferBytes);
  const onread = { buffer, callback: (size: number): boolean => passOn(size, socket) };
  const socket: Socket = connect({ ...options, onread });
  return socket;
}

/** Emits what was read, or queues a copy until there is a listener. Returns whether to read on. */
function passOn(size: number, socket: Socket): boolean {
  const bytes = (buffer as Buffer).subarray(0, size);
  const isHeard =
    socket.readableFlowing && socket.readableLength === 0 && socket.listenerCount('data') > 0;
  if (!isHeard) return socket.push(Buffer.from(bytes));
  socket.emit('data', bytes);
  return true;
}
