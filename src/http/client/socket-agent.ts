// Keeps connections for requests to come, over any byte stream, also one that is no socket.
import { Agent } from 'node:http';
import type { Duplex } from 'node:stream';
import { openSocket } from './open-socket.ts';
import type { ServerAddress } from './server-address.ts';

export interface SocketAgentOptions {
  /** How long a connection without a request is kept, in ms: shorter than servers keep it. */
  readonly idleMs: number;
  /** Opens a connection. Default: `openSocket`. */
  readonly open?: ((address: ServerAddress) => Promise<Duplex>) | undefined;
}

export class SocketAgent extends Agent {
  readonly #open: () => Promise<Duplex>;

  constructor(address: ServerAddress, { idleMs, open = openSocket }: SocketAgentOptions) {
    super({ keepAlive: true, timeout: idleMs, maxFreeSockets: 16 });
    this.#open = () => open(address);
  }

  override createConnection(_options: unknown, done: Parameters<Agent['createConnection']>[1]) {
    this.#open().then(
      (stream) => done?.(null, asSocket(stream)),
      (error: Error) => done?.(error, undefined as never),
    );
    return undefined;
  }
}

/** Gives a stream that is no socket what an agent calls of one between requests. */
function asSocket(stream: Duplex): Duplex {
  for (const name of ['ref', 'unref', 'setKeepAlive', 'setTimeout']) {
    if (!(name in stream)) Object.assign(stream, { [name]: () => stream });
  }
  return stream;
}
