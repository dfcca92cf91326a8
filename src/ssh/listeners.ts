// Remote forwards of an SSH client: sockets that are opened and closed by its requests, which are answered in order.
import type { Duplex } from 'node:stream';
import type { SocketTarget } from '../protocol/forward.ts';
import type { SshListener, SshServices } from './services.ts';
import type { Protocol } from './ssh2.ts';

type Offer = (stream: Duplex, from: SocketTarget) => void;

/** The maximum number for a client. */
const listenerLimit = 100;

export class Listeners {
  readonly #protocol: Protocol;
  readonly #services: SshServices;
  readonly #offer: Offer;
  readonly #open = new Map<string, SshListener>();
  #isOver = false;
  /** Resolves when the last request has been answered. */
  #answered: Promise<void> = Promise.resolve();

  /** @param offer Called with each connection and the address that the client requested. */
  constructor(protocol: Protocol, services: SshServices, offer: Offer) {
    this.#protocol = protocol;
    this.#services = services;
    this.#offer = offer;
  }

  request(name: string, data: unknown, wantReply: boolean, isTrusted: boolean): void {
    this.#answered = this.#answered.then(async () => {
      const answer = isTrusted && (await this.#answer(name, data).catch(() => false));
      if (!wantReply || this.#isOver) return;
      if (answer === false) this.#protocol.requestFailure();
      else this.#protocol.requestSuccess(answer === true ? undefined : answer);
    });
  }

  close(): void {
    this.#isOver = true;
    for (const listener of this.#open.values()) listener.close();
    this.#open.clear();
  }

  /** Whether the request is granted, or the payload of the reply. */
  async #answer(name: string, data: unknown): Promise<boolean | Buffer> {
    if (name === 'no-more-sessions@openssh.com') return true;
    const asked = askedSocket(data);
    if (asked === undefined) return false;
    if (name === 'tcpip-forward' || name === 'streamlocal-forward@openssh.com') {
      return await this.#listen(asked);
    }
    if (name !== 'cancel-tcpip-forward' && name !== 'cancel-streamlocal-forward@openssh.com') {
      return false;
    }
    const listener = this.#open.get(keyOf(asked));
    listener?.close();
    return this.#open.delete(keyOf(asked));
  }

  async #listen(asked: SocketTarget): Promise<boolean | Buffer> {
    if (this.#open.size >= listenerLimit || this.#open.has(keyOf(asked))) return false;
    let from = asked;
    const listener = await this.#services.listen(placeOf(asked), (stream) =>
      this.#offer(stream, from),
    );
    if (this.#isOver) {
      listener.close();
      return false;
    }
    if (asked.kind === 'unix' || listener.at.kind === 'unix') {
      this.#open.set(keyOf(asked), listener);
      return true;
    }
    // The client identifies it by the address that it requested and the actual port.
    from = { ...asked, port: listener.at.port };
    this.#open.set(keyOf(from), listener);
    if (asked.port !== 0) return true;
    const port = Buffer.alloc(4);
    port.writeUInt32BE(from.port);
    return port;
  }
}

function askedSocket(data: unknown): SocketTarget | undefined {
  if (typeof data !== 'object' || data === null) return undefined;
  if ('socketPath' in data) return { kind: 'unix', path: String(data.socketPath) };
  if (!('bindAddr' in data && 'bindPort' in data)) return undefined;
  return { kind: 'tcp', host: String(data.bindAddr), port: Number(data.bindPort) };
}

const keyOf = (target: SocketTarget): string => JSON.stringify(target);

/** An empty address and `*` mean all addresses. */
function placeOf(asked: SocketTarget): SocketTarget {
  if (asked.kind === 'unix') return asked;
  return asked.host === '' || asked.host === '*' ? { ...asked, host: '0.0.0.0' } : asked;
}
