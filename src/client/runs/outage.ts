// Retries while a connection is down: when, and for how long.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  errnoOf,
  GomoteError,
  isConnectionError,
  isGomoteError,
  StatusError,
} from '../../errors.ts';
import { transportError } from '../../http/client/request.ts';
import type { ConnectionOptions } from '../connection.ts';

interface OutageOptions {
  readonly peer: Pick<ConnectionOptions, 'address' | 'remoteName' | 'diagnoseLoss'>;
  /** For how long to try, in ms. */
  readonly reconnectMs: number;
  readonly signal: AbortSignal;
  /** Called at the first failure of each outage. */
  readonly onLost?: ((error: GomoteError) => void) | undefined;
}

const firstDelayMs = 50;
const longestDelayMs = 5_000;

/** A machine that refuses connections is up, and what listened there is gone: a new one would know nothing. */
const refusedMs = 20_000;

/** The same for a buildlet's socket on this machine, where nothing is on its way. */
const refusedHereMs = 500;

/** Waits between tries, longer each time until something gets on, and says when to give up. */
export class Outage {
  readonly #options: OutageOptions;
  #sinceAtMs: number | undefined;
  #delayMs = firstDelayMs;
  /** When it was last tried again, in an outage. */
  #triedAtMs = 0;

  constructor(options: OutageOptions) {
    this.#options = options;
  }

  /** The peer has answered: a connection that holds ends the outage, even without progress. */
  heard(): void {
    // Without an outage the clock is not asked: it would load Node's performance hooks.
    if (this.#sinceAtMs === undefined) return;
    if (performance.now() - this.#triedAtMs > longestDelayMs) this.#sinceAtMs = undefined;
  }

  /** There was progress on the connection. */
  over(): void {
    this.#sinceAtMs = undefined;
    this.#delayMs = firstDelayMs;
  }

  /** Waits until it is time to try again; throws `error` when that has no point any more. */
  async wait(error: unknown): Promise<void> {
    const { peer, signal, reconnectMs, onLost } = this.#options;
    throwIfAborted(signal);
    const limitMs = Math.min(reconnectMs, this.#limitFor(error));
    const nowMs = performance.now();
    if (this.#sinceAtMs === undefined && limitMs > 0) onLost?.(error as GomoteError);
    this.#sinceAtMs ??= nowMs;
    if (nowMs - this.#sinceAtMs >= limitMs) throw isRefused(error) ? goneError(error) : error;
    const [gone] = await Promise.all([
      peer.diagnoseLoss?.(),
      sleep(this.#delayMs, undefined, { signal }).catch(() => throwIfAborted(signal)),
    ]);
    if (gone !== undefined) throw gone;
    this.#triedAtMs = performance.now();
    this.#delayMs = Math.min(this.#delayMs * 2, longestDelayMs);
  }

  #limitFor(error: unknown): number {
    const { address, remoteName } = this.#options.peer;
    if (error instanceof StatusError)
      return error.status > 500 || error.status === 410 ? refusedMs : 0;
    if (!isConnectionError(error)) return 0;
    if (!isRefused(error)) return Infinity;
    // A coordinator that refuses may be starting again, and its buildlets live on.
    if (remoteName !== '') return Infinity;
    return address.kind === 'unix' ? refusedHereMs : refusedMs;
  }
}

/** Whether nothing listens at the address. */
const isRefused = (error: unknown): error is GomoteError =>
  isGomoteError(error, 'ERR_CONNECT') &&
  ['ECONNREFUSED', 'ENOENT'].includes(errnoOf(error.cause) ?? '');

const goneError = (error: GomoteError): GomoteError =>
  new GomoteError(error.code, `the buildlet is gone: ${error.message}`, { cause: error.cause });

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw transportError(signal.reason, signal, 'ERR_LOST');
}
