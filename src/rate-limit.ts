// A token bucket: a rate of calls a second, with a burst.
import { abortedError, GomoteError } from './errors.ts';
import { longTimer, ownSignal } from './timeout-signal.ts';

/** Resolves when one more call may go out; rejects with ERR_ABORTED when the signal aborts first. */
export type Gate = (signal?: AbortSignal) => void | Promise<void>;

/** What `tokenBucket` takes. */
export interface TokenBucketOptions {
  /** How many calls a second, on average: more than 0, also a fraction; Infinity: any. */
  readonly perSecond: number;
  /** The most calls that go out at once after a pause. Default: those of one second, at least 1. */
  readonly burst?: number | undefined;
}

interface Clock {
  now(): number;
  sleep(delayMs: number, signal: AbortSignal | undefined): Promise<void>;
}

const systemClock: Clock = {
  now: () => performance.now(),
  sleep: (delayMs, signal) =>
    new Promise((resolve, reject) => {
      // The composed signal ends with this wait: Node warns of many listeners on one that many calls share.
      const leaving = signal && ownSignal(signal);
      const leave = () => {
        timer.clear();
        reject(signal && abortedError(signal));
      };
      const timer = longTimer(() => {
        leaving?.removeEventListener('abort', leave);
        resolve();
      }, delayMs);
      leaving?.addEventListener('abort', leave, { once: true });
    }),
};

/**
 * A gate that lets calls through in the order they came, at the rate given.
 *
 * @throws GomoteError ERR_USAGE when the rate or the burst is none.
 * @example
 * const gate = tokenBucket({ perSecond: 10, burst: 20 });
 * await gate(signal);
 */
export function tokenBucket(options: TokenBucketOptions): Gate {
  return timedBucket(options, systemClock);
}

/** As `tokenBucket`, by another clock. */
export function timedBucket(options: TokenBucketOptions, clock: Clock): Gate {
  const { perSecond, burst = Math.max(1, Math.floor(perSecond)) } = options;
  if (!(perSecond > 0 && burst >= 0)) {
    throw new GomoteError('ERR_USAGE', `${perSecond} calls a second, ${burst} at once: no rate`, {
      hint: 'give perSecond more than 0, and a burst of 0 or more',
    });
  }
  if (perSecond === Infinity || burst === Infinity) return async (signal) => throwIfAborted(signal);
  const intervalMs = 1_000 / perSecond;
  /** When the bucket would be full again, were no more calls made. */
  let fullAtMs = 0;
  return async (signal) => {
    throwIfAborted(signal);
    const now = clock.now();
    fullAtMs = Math.max(fullAtMs, now) + intervalMs;
    const waitMs = fullAtMs - now - burst * intervalMs;
    // A call that is cancelled while it waits keeps its turn: handing it on would reorder the others.
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  };
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}
