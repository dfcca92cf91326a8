// Sockets in the network of commands: connections to their listeners, and listeners that they can reach.
import type { Socket } from 'node:net';
import { GomoteError } from '../../errors.ts';
import { connectTo, type Listening, listenAt, reachOfSockets } from '../../files/target-sockets.ts';
import type { SocketTarget } from '../../protocol/forward.ts';

/** Access to the network and the sockets that commands see. */
export interface CommandSockets {
  /** What is reached, if it is what this process reaches. */
  reach?(): string | undefined;
  /** Opens a connection, paused and half-open. Fails as the system does. The caller destroys it. */
  connect(target: SocketTarget): Promise<Socket>;
  /** Accepts connections until it is closed. `onSocket` gets each in the form of `connect`. */
  listen(target: SocketTarget, onSocket: (socket: Socket) => void): Promise<Listening>;
}

/** For this process, and so for unconfined commands. */
export const openSockets: CommandSockets = {
  reach: reachOfSockets,
  connect: connectTo,
  listen: listenAt,
};

/** For commands without network: unix sockets only. */
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
