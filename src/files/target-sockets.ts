// Connections to targets and listeners at targets, in this process.
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { createServer, type ListenOptions, type Server, Socket } from 'node:net';
import type { SocketTarget } from '../protocol/forward.ts';

/** The time limit for connecting, in ms. */
const connectTimeoutMs = 10_000;

const ends = { allowHalfOpen: true, noDelay: true };

/** Opens a connection, paused, whose directions end separately. Fails as the system does, or with the signal's reason. */
export async function connectTo(
  target: SocketTarget,
  signal?: AbortSignal,
  socket = new Socket(ends),
): Promise<Socket> {
  socket.connect(placeOf(target)).pause();
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

/**
 * The network, the files and the user of this process: one with equal text reaches the same sockets. Undefined where the
 * system does not tell.
 */
export function reachOfSockets(): string | undefined {
  try {
    const spaces = ['net', 'mnt', 'user'].map((kind) => readlinkSync(`/proc/self/ns/${kind}`));
    return [...spaces, `uid:[${process.geteuid?.()}]`].join(' ');
  } catch {
    return undefined;
  }
}

/** A listener; `close` stops it. */
export interface Listening {
  /** The target with the actual port. */
  readonly at: SocketTarget;
  /** Resolves when the listener ends without `close`; absent: never. */
  readonly ended?: Promise<void> | undefined;
  close(): void;
}

/** Listens at a target. Connections are as from `connectTo`. A unix socket is private to this user. Fails as the system does. */
export async function listenAt(
  target: SocketTarget,
  onSocket: (socket: Socket) => void,
): Promise<Listening> {
  const server = createServer({ ...ends, pauseOnConnect: true }, onSocket);
  // The socket is created synchronously.
  const mask = target.kind === 'unix' ? process.umask(0o177) : undefined;
  server.listen(placeOf(target));
  if (mask !== undefined) process.umask(mask);
  await once(server, 'listening');
  // A single connection could not be accepted; the listener continues.
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
