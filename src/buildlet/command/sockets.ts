// Sockets as commands have them: connections to what they listen at, and listeners that they can reach.
import { once } from 'node:events';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { GomoteError } from '../../errors.ts';
import type { SocketTarget } from '../../protocol/forward.ts';

/** What reaches the network and the sockets that commands see. */
export interface CommandSockets {
  /** A connection, paused and half-open where its ends are; fails as the system does. The caller destroys it. */
  connect(target: SocketTarget): Promise<Socket>;
  /** Takes connections until it is closed; `onSocket` gets each as `connect` gives them. */
  listen(target: SocketTarget, onSocket: (socket: Socket) => void): Promise<Listening>;
}

export interface Listening {
  /** With the port that was free. */
  readonly at: SocketTarget;
  /** Resolves when it is over without having been closed; absent: never. */
  readonly ended?: Promise<void> | undefined;
  close(): void;
}

/** How long a connection may take to be made, in ms. */
const connectTimeoutMs = 10_000;

/** Of this process, and so of commands that nothing confines. */
export const openSockets: CommandSockets = {
  connect: async (target) => {
    const socket = connect({ ...placeOf(target), allowHalfOpen: true, noDelay: true });
    socket.pause();
    const late = setTimeout(() => socket.destroy(new Error('connect timed out')), connectTimeoutMs);
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      clearTimeout(late);
    }
  },
  listen: async (target, onSocket) => {
    const server = createServer(
      { allowHalfOpen: true, pauseOnConnect: true, noDelay: true },
      onSocket,
    );
    server.listen(placeOf(target));
    await once(server, 'listening');
    // One connection that could not be taken: the others are.
    server.on('error', () => undefined);
    return { at: placeTaken(target, server), close: () => void server.close() };
  },
};

/** Of commands that have no network: the sockets of files alone. */
export const socketsWithoutNetwork: CommandSockets = {
  connect: async (target) => await openSockets.connect(withoutNetwork(target)),
  listen: async (target, onSocket) => await openSockets.listen(withoutNetwork(target), onSocket),
};

function withoutNetwork(target: SocketTarget): SocketTarget {
  if (target.kind === 'unix') return target;
  throw new GomoteError(
    'ERR_CONFLICT',
    'commands have no network here, each but a loopback of its own',
  );
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
