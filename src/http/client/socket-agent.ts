// Keeps connections for requests to come, over any byte stream, also one that is no socket.
import { Agent, type RequestOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { anySignal } from '../../timeout-signal.ts';
import { openSocket } from './open-socket.ts';
import type { ServerAddress } from './server-address.ts';

interface SocketAgentOptions {
  /** How long a connection without a request is kept, in ms: shorter than servers keep it. */
  readonly idleMs: number;
  /** Opens a connection. Default: `openSocket`. */
  readonly open?: typeof openSocket | undefined;
}

/** What a request may give its agent. */
export interface AgentRequestOptions extends RequestOptions {
  /** Ends the making of the request's connection: Node tells an agent nothing of a request that is given up. */
  readonly givenUp?: AbortSignal | undefined;
  readonly servername?: string;
}

export class SocketAgent extends Agent {
  readonly #open: (signal: AbortSignal) => Promise<Duplex>;
  readonly #end = new AbortController();

  constructor(address: ServerAddress, { idleMs, open = openSocket }: SocketAgentOptions) {
    super({ keepAlive: true, timeout: idleMs, maxFreeSockets: 16 });
    this.#open = (signal) => open(address, signal);
  }

  override createConnection(options: object, done: Parameters<Agent['createConnection']>[1]) {
    const { givenUp } = options as AgentRequestOptions;
    const end = this.#end.signal;
    const signal = givenUp === undefined ? end : anySignal(givenUp, end);
    this.#open(signal).then(
      (stream) => {
        stream.once('end', () => this.#leave(stream));
        if (!signal.aborted) return done?.(null, asSocket(stream));
        stream.destroy();
        done?.(signal.reason, undefined as never);
      },
      (error: Error) => done?.(error, undefined as never),
    );
    return undefined;
  }

  /** Waits until the kept connections that have been closed by now are dropped: this process may have been busy. */
  async settle(): Promise<void> {
    if (Object.keys(this.freeSockets).length === 0) return;
    // What has come is read after the first, and told by the second.
    await turn();
    await turn();
  }

  /** Drops the connections, also those that are being made. */
  override destroy(): void {
    this.#end.abort(new Error('the client was closed'));
    super.destroy();
  }

  /** A kept connection that the other end has ended takes no request any more. */
  #leave(stream: Duplex): void {
    const kept: readonly Duplex[] = Object.values(this.freeSockets).flatMap((list) => list ?? []);
    if (kept.includes(stream)) stream.destroy();
  }
}

/** Gives a stream that is no socket what an agent calls of one between requests. */
function asSocket(stream: Duplex): Duplex {
  for (const name of ['ref', 'unref', 'setKeepAlive', 'setTimeout']) {
    if (!(name in stream)) Object.assign(stream, { [name]: () => stream });
  }
  return stream;
}
