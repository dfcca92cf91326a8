// Sockets as commands have them: connections to what they listen at, and listeners that they can reach.
import type { Socket } from 'node:net';
import { GomoteError } from '../../errors.ts';
import { connectTo, type Listening, listenAt } from '../../files/target-sockets.ts';
import type { SocketTarget } from '../../protocol/forward.ts';

/** What reaches the network and the sockets that commands see. */
export interface CommandSockets {
  /** A connection, paused and half-open where its ends are; fails as the system does. The caller destroys it. */
  connect(target: SocketTarget): Promise<Socket>;
  /** Takes connections until it is closed; `onSocket` gets each as `connect` gives them. */
  listen(target: SocketTarget, onSocket: (socket: Socket) => void): Promise<Listening>;
}

/** Of this process, and so of commands that nothing confines. */
export const openSockets: CommandSockets = { connect: connectTo, listen: listenAt };

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
