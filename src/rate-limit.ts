// A token bucket: so many calls a second, with a burst saved up.
import { setTimeout as sleep } from 'node:timers/promises';
import { abortedError, untilAborted } from './errors.ts';
import { ownSignal } from './timeout-signal.ts';

/** Resolves when one more call may go out; rejects with ERR_ABORTED when the signal aborts first. */
export type Gate = (signal?: AbortSignal) => void | Promise<void>;

export interface TokenBucketOptions {
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
    untilAborted(signal, () => sleep(delayMs, undefined, signal && { signal: ownSignal(signal) })),
};

/** A gate that lets calls through in the order they came, at the rate given. */
export function tokenBucket(options: TokenBucketOptions, clock: Clock = systemClock): Gate {
  const intervalMs = 1_000 / options.perSecond;
  const burst = options.burst ?? Math.max(1, Math.floor(options.perSecond));
  /** When the bucket would be full again, were no more calls made. */
  let fullAtMs = 0;
  return async (signal) => {
    if (signal?.aborted) throw abortedError(signal);
    const now = clock.now();
    fullAtMs = Math.max(fullAtMs, now) + intervalMs;
    const waitMs = fullAtMs - now - burst * intervalMs;
    // A call that is cancelled while it waits keeps its turn: handing it on would reorder the others.
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  };
}
