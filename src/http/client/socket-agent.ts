// Keeps idle connections for later requests, over any byte stream, including streams that are not sockets.
import { Agent, type RequestOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { anySignal } from '../../timeout-signal.ts';
import { openSocket } from './open-socket.ts';
import { connectForHttp } from './reused-buffer.ts';
import type { ServerAddress } from './server-address.ts';

interface SocketAgentOptions {
  /** How long an idle connection is kept, in ms: shorter than servers keep it. */
  readonly idleMs: number;
  /** Opens a connection. Default: `openSocket`, with one buffer for all reads. */
  readonly open?: typeof openSocket | undefined;
}

/** The options that a request passes to its agent. */
export interface AgentRequestOptions extends RequestOptions {
  /** Aborts connecting: Node does not tell an agent that a request was cancelled. */
  readonly givenUp?: AbortSignal | undefined;
  readonly servername?: string;
}

export class SocketAgent extends Agent {
  readonly #open: (signal: AbortSignal) => Promise<Duplex>;
  readonly #end = new AbortController();

  constructor(address: ServerAddress, { idleMs, open = openForHttp }: SocketAgentOptions) {
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

  /** Waits until kept connections that are already closed have been dropped: this process may have been too busy to notice. */
  async settle(): Promise<void> {
    if (Object.keys(this.freeSockets).length === 0) return;
    // One turn reads what has arrived; the next emits its events.
    await turn();
    await turn();
  }

  /** Closes the connections, including those that are being opened. */
  override destroy(): void {
    this.#end.abort(new Error('the client was closed'));
    super.destroy();
  }

  /** Removes a kept connection when the other end closes it. */
  #leave(stream: Duplex): void {
    const kept: readonly Duplex[] = Object.values(this.freeSockets).flatMap((list) => list ?? []);
    if (kept.includes(stream)) stream.destroy();
  }
}

const openForHttp: typeof openSocket = (address, signal) =>
  openSocket(address, signal, connectForHttp);

/** Adds the socket methods that an agent calls between requests to other streams. */
function asSocket(stream: Duplex): Duplex {
  for (const name of ['ref', 'unref', 'setKeepAlive', 'setTimeout']) {
    if (!(name in stream)) Object.assign(stream, { [name]: () => stream });
  }
  return stream;
}
