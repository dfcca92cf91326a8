// The connections between a client and servers, and their faults.
import { once } from 'node:events';
import {
  connect,
  createServer,
  type ListenOptions,
  type NetConnectOpts,
  type Socket,
} from 'node:net';
import { pipeline } from 'node:stream/promises';
import { type Fault, Relay } from './faults.ts';

/** A connection that is open. */
interface Connection {
  /** The name of the buildlet. */
  readonly buildlet: string;
  readonly drop: () => void;
  readonly relays: readonly Relay[];
}

/**
 * All connections to the buildlets of a `TestGomote`. Properties affect new connections, methods affect
 * open ones; `buildlet` is the name of one buildlet, the default is all.
 *
 * @example
 * // The connection breaks after 1000 bytes of the reply; the next one holds.
 * gomote.network.plan = (n) => (n === 0 ? { kind: 'drop', direction: 'down', afterBytes: 1000 } : undefined);
 *
 * @example
 * gomote.network.stall();
 * const run = buildlet.run('true', [], { reconnectMs: 1_000 });
 * gomote.network.drop(buildlet.name);
 * gomote.network.heal();
 */
export class Network {
  /** Returns the fault of a new connection, given the number of earlier connections and its buildlet. Default: none. */
  plan: (number: number, buildlet: string) => Fault | undefined = () => undefined;
  /** Whether new connections are accepted; while false, they are reset at once. Default true. */
  accepting = true;
  /** The rate of each direction of each connection, in bytes a second. Default: unlimited. */
  bytesPerSecond = Infinity;
  readonly #open = new Set<Connection>();
  readonly #counts = { connections: 0, up: 0, down: 0 };

  /** How many connections were made. */
  get connections(): number {
    return this.#counts.connections;
  }

  /** How many bytes went to buildlets. */
  get upBytes(): number {
    return this.#counts.up;
  }

  /** How many bytes came from buildlets. */
  get downBytes(): number {
    return this.#counts.down;
  }

  /** Resets the open connections. */
  drop(buildlet?: string): void {
    for (const one of this.#openTo(buildlet)) one.drop();
  }

  /** Stops all traffic on the open connections, which stay open. */
  stall(buildlet?: string): void {
    for (const { relays } of this.#openTo(buildlet)) for (const relay of relays) relay.stall();
  }

  /** Ends all faults: removes the settings, and lets stalled connections continue. */
  heal(): void {
    this.plan = () => undefined;
    this.accepting = true;
    this.bytesPerSecond = Infinity;
    this.drop();
  }

  /**
   * Forwards connections from `from` to `to` until it is closed.
   *
   * @internal
   */
  async carry(
    buildlet: string,
    from: ListenOptions,
    to: NetConnectOpts,
  ): Promise<{ readonly port: number; close(): void }> {
    const server = createServer({ allowHalfOpen: true }, (near) => this.#carry(buildlet, near, to));
    server.listen(from);
    await once(server, 'listening');
    const at = server.address();
    return {
      port: typeof at === 'object' && at !== null ? at.port : 0,
      close: () => {
        server.close();
        this.drop(buildlet);
      },
    };
  }

  #openTo(buildlet: string | undefined): Connection[] {
    return [...this.#open].filter((one) => buildlet === undefined || one.buildlet === buildlet);
  }

  #carry(buildlet: string, near: Socket, to: NetConnectOpts): void {
    near.setNoDelay(true).on('error', () => undefined);
    if (!this.accepting) return void reset(near);
    const fault = this.plan(this.#counts.connections++, buildlet);
    const far = connect({ ...to, allowHalfOpen: true });
    far.setNoDelay(true).on('error', () => undefined);
    const drop = () => {
      reset(near);
      reset(far);
    };
    const end = () => {
      near.end();
      far.end();
    };
    const relay = (direction: Fault['direction']) =>
      new Relay({
        ...{ drop, end, bytesPerSecond: () => this.bytesPerSecond },
        fault: fault?.direction === direction ? fault : undefined,
        count: (bytes) => {
          this.#counts[direction] += bytes;
        },
      });
    const [up, down] = [relay('up'), relay('down')];
    const connection = { buildlet, drop, relays: [up, down] };
    this.#open.add(connection);
    near.once('close', () => this.#open.delete(connection));
    pipeline(near, up, far).catch(drop);
    pipeline(far, down, near).catch(drop);
  }
}

/** Only TCP connections can be reset. */
function reset(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
