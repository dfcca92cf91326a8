// Ports and sockets of a buildlet's machine: connects to them, and listens there.
import { once } from 'node:events';
import { isAbsolute } from 'node:path';
import type { Duplex } from 'node:stream';
import { GomoteError, isGomoteError, messageOf, unlessAborted } from '../errors.ts';
import { endpoints } from '../protocol/endpoints.ts';
import { forwardFeature } from '../protocol/features.ts';
import { withQuery } from '../protocol/form.ts';
import {
  formatTarget,
  forwardUpgrade,
  listeningHeader,
  listenParameter,
  parseTarget,
  reachHeader,
  type SocketTarget,
} from '../protocol/forward.ts';
import type { CallingLink } from '../reverse/reverse-link.ts';
import type { CallOptions } from './client-options.ts';
import type { Connection } from './connection.ts';
import type { NearSockets } from './near-sockets.ts';
import { hasFeature } from './status.ts';

/** How many connections of one listener may be open: each may hold 1 MiB here that is not yet passed on. */
const takenLimit = 500;

/** The time limit for a connection there, in ms: a buildlet gives up earlier, and says why. */
const connectTimeoutMs = 30_000;

/** A connection to the buildlet, and what connects without it. */
interface Made {
  readonly link: CallingLink;
  readonly near?: NearSockets | undefined;
}

/**
 * A socket on the machine that accepts connections for a caller here.
 *
 * @example
 * await using listener = await client.ports.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, (stream) => stream.end('hi'));
 * console.log(listener.at);
 * listener.close();
 */
export interface RemoteListener extends AsyncDisposable {
  /** Where it listens, with the port that was free. */
  readonly at: SocketTarget;
  /** Resolves when it accepts no more connections, with the reason as text. */
  readonly ended: Promise<string>;
  /** Stops listening; open connections have 3 s to end. */
  close(): void;
}

/**
 * Sockets of the machine, as its commands see them. All connections share one connection to the buildlet, which is reopened
 * when it was lost. It does not keep a process alive while no connection is open.
 *
 * @example
 * for (const port of await client.ports.list()) console.log(port);
 * await using stream = await client.ports.connect({ kind: 'tcp', host: 'localhost', port: 5432 });
 * const { ended } = await client.ports.open();
 * ended.then((reason) => console.error(reason));
 * await client.ports.close();
 */
export class Ports {
  readonly #connection: Connection;
  #link: Promise<Made> | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Connects to the buildlet, unless it is connected. Throws ERR_UNSUPPORTED when it cannot forward ports.
   */
  async open(options: CallOptions = {}): Promise<{
    /** Resolves when the connection has ended, with the reason. */
    readonly ended: Promise<string>;
  }> {
    const { link } = await this.#current(options);
    return { ended: link.ended };
  }

  /**
   * Opens a connection to a socket there; the caller destroys it. Throws ERR_CONNECT when it is refused there, or when the
   * buildlet cannot be reached; ERR_UNSUPPORTED when it cannot forward ports.
   */
  async connect(target: SocketTarget, options: CallOptions = {}): Promise<Duplex> {
    const signal = this.#connection.signalWith(options.signal);
    const { link } = await this.#current(options);
    const stream = link.open(formatTarget(target));
    const noAnswer = new Error(`no answer for ${connectTimeoutMs / 1_000} s`);
    const late = setTimeout(() => stream.destroy(noAnswer), connectTimeoutMs);
    try {
      await once(stream, 'connect', { signal });
      return stream;
    } catch (error) {
      stream.destroy();
      throw this.#notConnected(target, error);
    } finally {
      clearTimeout(late);
    }
  }

  /**
   * Like `connect`, but where the buildlet's sockets are those of this process, the result is a socket, paused, and its bytes
   * do not pass through the buildlet. To be destroyed by `breakOff`.
   *
   * @internal
   */
  async connectNear(target: SocketTarget, options: CallOptions = {}): Promise<Duplex> {
    const { near } = await this.#current(options);
    // A relative path begins in the buildlet's directory.
    const isElsewhere = target.kind === 'unix' && !isAbsolute(target.path);
    if (near === undefined || isElsewhere) return await this.connect(target, options);
    try {
      return await near.connect(target, this.#connection.signalWith(options.signal));
    } catch (error) {
      throw this.#notConnected(target, error);
    }
  }

  #notConnected(target: SocketTarget, error: unknown): GomoteError {
    const { label } = this.#connection.options;
    const words = messageOf(error).replace(`${label}: it cut the stream: `, '');
    const message = `${describeTarget(target)} on ${label}: ${words}`;
    return new GomoteError('ERR_CONNECT', message, { cause: error });
  }

  /**
   * Listens there; port 0 takes any that is free. Throws ERR_CONFLICT when the machine refuses, ERR_UNSUPPORTED when it
   * cannot forward ports.
   */
  async listen(
    target: SocketTarget,
    onConnection: (stream: Duplex) => void,
    options: CallOptions = {},
  ): Promise<RemoteListener> {
    const query = { [listenParameter]: formatTarget(target) };
    const path = withQuery(endpoints.forward.path, query);
    const { servingLink, ...upgraded } = await this.#upgrade(path, options);
    const { label } = this.#connection.options;
    const at = placeTaken(target, upgraded.headers[listeningHeader.toLowerCase()]);
    if (at === undefined) {
      upgraded.socket.destroy();
      throw new GomoteError('ERR_REPLY', `${label} does not say at which port it listens`);
    }
    const link = servingLink(upgraded, { label, streamLimit: takenLimit }, (stream) => {
      stream.accept();
      onConnection(stream);
    });
    const close = () => link.end('the client left');
    const dispose = async () => {
      close();
      await link.ended;
    };
    return { at, ended: link.ended, close, [Symbol.asyncDispose]: dispose };
  }

  /**
   * The TCP ports that commands listen at, and that can be connected to at `localhost`: at most 100. Throws
   * ERR_UNSUPPORTED when the buildlet cannot list them.
   */
  async list(options: CallOptions = {}): Promise<readonly number[]> {
    const { path } = endpoints.forwardPorts;
    const call = this.#connection.callText({ method: 'GET', path, ...options });
    const [{ parsePorts }, body] = await Promise.all([
      import('../protocol/port-list.ts'),
      call.catch(async (error: unknown) => {
        throw await this.#explained(error, options.signal);
      }),
    ]);
    return parsePorts(body) ?? this.#connection.badReply('bad list of ports');
  }

  /** Ends all connections that were made here. */
  async close(): Promise<void> {
    const made = await this.#link?.catch(() => undefined);
    made?.link.end('the client left', 0);
  }

  async #current({ signal }: CallOptions): Promise<Made> {
    const made = this.#link ?? this.#dialled();
    return await unlessAborted(made, signal);
  }

  /** One caller who gives up must not fail the others: what they share ends with the connection alone. */
  #dialled(): Promise<Made> {
    const made = this.#dial();
    this.#link = made;
    const forget = () => {
      if (this.#link === made) this.#link = undefined;
    };
    made.then(({ link }) => link.ended).then(forget, forget);
    return made;
  }

  async #dial(): Promise<Made> {
    const { callingLink, ...upgraded } = await this.#upgrade(endpoints.forward.path, {});
    const { label, isUnconfinedHere } = this.#connection.options;
    const link = callingLink(upgraded, { label });
    // What the buildlet says only narrows what is known of it here: a confined one could say anything.
    if (!isUnconfinedHere) return { link };
    const { isNear, NearSockets } = await import('./near-sockets.ts');
    const isHere = isNear(upgraded.headers[reachHeader.toLowerCase()]);
    return isHere ? { link, near: new NearSockets(link) } : { link };
  }

  async #upgrade(path: string, { signal }: CallOptions) {
    const [links, upgraded] = await Promise.all([
      import('../reverse/reverse-link.ts'),
      this.#connection.upgrade(path, forwardUpgrade, signal).catch(async (error: unknown) => {
        throw await this.#explained(error, signal);
      }),
    ]);
    return { ...links, ...upgraded };
  }

  /** A buildlet without this request refuses it with its own message. */
  async #explained(error: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    if (!isGomoteError(error, 'ERR_STATUS')) return error;
    if (await hasFeature(this.#connection, forwardFeature, signal)) return error;
    const { label } = this.#connection.options;
    return new GomoteError('ERR_UNSUPPORTED', `${label} cannot forward ports`, {
      hint: 'it is of an older version, or of the Go project: make a new one',
    });
  }
}

/** The address that the machine reports; undefined when it does not match the target. */
function placeTaken(target: SocketTarget, words: unknown): SocketTarget | undefined {
  if (target.kind === 'unix') return target;
  const at =
    typeof words === 'string' ? parseTarget(words.replace(/%5B|%5D|%25/g, decodeURI)) : undefined;
  if (at?.kind !== 'tcp' || at.port === 0) return target.port === 0 ? undefined : target;
  return at;
}

/** As people write it: `HOST:PORT` or `unix:PATH`. */
export const describeTarget = (target: SocketTarget): string =>
  formatTarget(target).replace(/^tcp:/, '');
