// Sockets of a buildlet that is on this machine: its client connects to them itself, as the buildlet would.
import type { Socket } from 'node:net';
import { breakOff } from '../files/join-streams.ts';
import { RingSocket } from '../files/ring-socket.ts';
import { connectTo, reachOfSockets } from '../files/target-sockets.ts';
import type { SocketTarget } from '../protocol/forward.ts';
import type { ReverseLink } from '../reverse/reverse-link.ts';

/** Whether the sockets of this process are those of a process that says this of its own. */
export const isNear = (reach: unknown): boolean =>
  reach !== undefined && reach === reachOfSockets();

/** Connections that break off when the connection to the buildlet ends, as streams of it do. */
export class NearSockets {
  readonly #sockets = new Set<Socket>();
  #isLost = false;

  constructor(link: ReverseLink) {
    void link.ended.then(() => {
      this.#isLost = true;
      for (const socket of this.#sockets) breakOff(socket);
    });
  }

  /** Opens a connection, paused. Fails as the system does. */
  async connect(target: SocketTarget, signal: AbortSignal): Promise<Socket> {
    const socket = await connectTo(target, signal, new RingSocket());
    this.#sockets.add(socket);
    socket.on('error', () => undefined).once('close', () => this.#sockets.delete(socket));
    if (this.#isLost) breakOff(socket);
    return socket;
  }
}
