// Sockets of this process: connections to a target, and listeners at one.
import { once } from 'node:events';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import type { SocketTarget } from '../protocol/forward.ts';

/** How long a connection may take to be made, in ms. */
const connectTimeoutMs = 10_000;

const ends = { allowHalfOpen: true, noDelay: true };

/** A connection, paused; each direction ends by itself. Fails as the system does, or with the signal's reason. */
export async function connectTo(target: SocketTarget, signal?: AbortSignal): Promise<Socket> {
  const socket = connect({ ...placeOf(target), ...ends });
  socket.pause();
  const late = setTimeout(() => socket.destroy(new Error('connect timed out')), connectTimeoutMs);
  const abort = () => socket.destroy(signal?.reason);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  try {
    await once(socket, 'connect');
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(late);
    signal?.removeEventListener('abort', abort);
  }
}

/** A listener; `close` lets it take no more. */
export interface Listening {
  /** With the port that was free. */
  readonly at: SocketTarget;
  /** Resolves when it is over without having been closed; absent: never. */
  readonly ended?: Promise<void> | undefined;
  close(): void;
}

/** Takes connections, each given as `connectTo` gives them. The socket of a file is for this user alone. Fails as the system does. */
export async function listenAt(
  target: SocketTarget,
  onSocket: (socket: Socket) => void,
): Promise<Listening> {
  const server = createServer({ ...ends, pauseOnConnect: true }, onSocket);
  // The socket is made at once.
  const mask = target.kind === 'unix' ? process.umask(0o177) : undefined;
  server.listen(placeOf(target));
  if (mask !== undefined) process.umask(mask);
  await once(server, 'listening');
  // One connection that could not be taken: the others are.
  server.on('error', () => undefined);
  return { at: placeTaken(target, server), close: () => void server.close() };
}

const placeOf = (target: SocketTarget) =>
  (target.kind === 'unix'
    ? { path: target.path }
    : { host: target.host, port: target.port }) satisfies ListenOptions;

function placeTaken(target: SocketTarget, server: Server): SocketTarget {
  const address = server.address();
  return target.kind === 'tcp' && typeof address === 'object' && address !== null
    ? { kind: 'tcp', host: address.address, port: address.port }
    : target;
}
