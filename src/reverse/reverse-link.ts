// A connection that was dialled one way and carries calls the other way, with heartbeats from both ends.
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GomoteError, messageOf } from '../errors.ts';
import { Mux } from './mux.ts';
import type { MuxStream } from './mux-stream.ts';

export interface LinkOptions {
  /** The name of the other end in errors. */
  readonly label: string;
  /** The time between heartbeats, in ms. The link ends after three without an answer. Default 10,000. */
  readonly heartbeatMs?: number | undefined;
  /** How many streams of the other end may be open at once; more are refused. Default 10,000. */
  readonly streamLimit?: number | undefined;
}

/** An upgraded connection: the socket, and bytes that arrived with the end of the upgrade. */
export interface UpgradedSocket {
  readonly socket: Duplex;
  readonly head: Buffer;
}

export interface ReverseLink {
  /** Resolves when the connection has ended, with the reason as text. */
  readonly ended: Promise<string>;
  /** Ends the link: no new streams, 3 s or `graceMs` for open ones. The other end gets the reason. */
  end(reason: string, graceMs?: number): void;
}

/** The end that calls: a coordinator's. */
export interface CallingLink extends ReverseLink {
  /** Opens a stream to the other end's server, or to the given target. Throws ERR_CONNECT when the link has ended. */
  open(words?: string): MuxStream;
  /** Whether the other end has announced its end. */
  readonly saidGoodbye: boolean;
  /** Whether the other end answers within the time. */
  answers(withinMs: number): Promise<boolean>;
}

const defaultHeartbeatMs = 10_000;
const missesToDeath = 3;

/** How long open streams may continue when a link ends, in ms. */
const endGraceMs = 3_000;

/** The end that was dialled. */
export function callingLink(upgraded: UpgradedSocket, options: LinkOptions): CallingLink {
  return new LinkEnd(upgraded, options, undefined);
}

/** The end that dialled: each stream that the other end opens is given to `onConnection`. */
export function servingLink(
  upgraded: UpgradedSocket,
  options: LinkOptions,
  onConnection: (connection: MuxStream, words: string) => void,
): ReverseLink {
  return new LinkEnd(upgraded, options, onConnection);
}

class LinkEnd implements CallingLink {
  readonly ended: Promise<string>;
  saidGoodbye = false;
  readonly #socket: Duplex;
  readonly #mux: Mux;
  readonly #label: string;
  readonly #isServing: boolean;
  readonly #stopHeartbeat: () => void;
  #onAlive = new Set<() => void>();
  #reason: string | undefined;

  constructor(
    { socket, head }: UpgradedSocket,
    { label, heartbeatMs = defaultHeartbeatMs, streamLimit }: LinkOptions,
    onStream: ((connection: MuxStream, words: string) => void) | undefined,
  ) {
    this.#socket = socket;
    this.#label = label;
    this.#isServing = onStream !== undefined;
    this.#mux = new Mux(socket, head, label, {
      onStream,
      streamLimit,
      onBye: (reason) => {
        this.saidGoodbye = true;
        this.#reason ??= reason;
        this.#closeWhenIdle();
      },
      onIdle: () => {
        this.#closeWhenIdle();
        this.#setHolding(false);
      },
      onBroken: (what) => this.#die(`it broke the protocol: ${what}`),
    });
    this.#setHolding(false);
    this.#stopHeartbeat = this.#startHeartbeat(heartbeatMs);
    socket.on('data', () => this.#alive());
    socket.on('error', (error) => {
      this.#reason ??= `the connection was lost: ${messageOf(error)}`;
    });
    socket.once('end', () => this.#die('the connection was closed'));
    this.ended = new Promise((resolve) => {
      const over = () => {
        this.#stopHeartbeat();
        this.#reason ??= 'the connection was lost';
        this.#mux.fail(this.#reason);
        resolve(this.#reason);
      };
      // It may have been lost while the other end was being authorized.
      if (socket.destroyed) over();
      else socket.once('close', over);
    });
  }

  open(words = ''): MuxStream {
    if (this.#reason === undefined) {
      this.#setHolding(true);
      return this.#mux.open(words);
    }
    throw new GomoteError('ERR_CONNECT', `${this.#label}: ${this.#reason}`);
  }

  end(reason: string, graceMs = endGraceMs): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#mux.bye(reason);
    setTimeout(() => this.#socket.destroy(), graceMs).unref();
    this.#closeWhenIdle();
  }

  answers(withinMs: number): Promise<boolean> {
    if (this.#reason !== undefined) return Promise.resolve(false);
    return new Promise((resolve) => {
      const timer = setTimeout(() => answer(false), withinMs);
      const answer = (isAlive: boolean) => {
        clearTimeout(timer);
        this.#onAlive.delete(alive);
        resolve(isAlive);
      };
      const alive = () => answer(true);
      this.#onAlive.add(alive);
      void this.ended.then(() => answer(false));
      this.#mux.ping();
    });
  }

  /** A caller's link keeps the process alive only while a stream is open; who serves waits for calls. */
  #setHolding(isHolding: boolean): void {
    if (this.#isServing || !(this.#socket instanceof Socket)) return;
    if (isHolding) this.#socket.ref();
    else this.#socket.unref();
  }

  /** Closes the link once one end has announced its end and no stream is left. */
  #closeWhenIdle(): void {
    if (this.#reason !== undefined && this.#mux.isIdle) this.#socket.end();
  }

  #die(reason: string): void {
    this.#reason ??= reason;
    this.#socket.destroy();
  }

  #alive(): void {
    for (const listener of this.#onAlive) listener();
  }

  /** Any data counts as a sign of life: an answer may wait behind data. */
  #startHeartbeat(heartbeatMs: number): () => void {
    let misses = 0;
    this.#onAlive.add(() => {
      misses = 0;
    });
    const timer = setInterval(() => {
      if (misses === missesToDeath) {
        return this.#die(`no answer to heartbeats for ${(misses * heartbeatMs) / 1000} s`);
      }
      misses++;
      this.#mux.ping();
    }, heartbeatMs);
    timer.unref();
    return () => clearInterval(timer);
  }
}
