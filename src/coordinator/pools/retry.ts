// Repeats work until it succeeds, with growing delays.

interface RetryOptions {
  /** Ends the work and the waits. */
  readonly signal: AbortSignal;
  /** The wait after the first failure, in ms; it doubles up to the longest. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  readonly onFailure: (error: unknown) => void;
}

/** Does the work until it succeeds; returns undefined when the signal aborts first. */
export async function retry<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { signal, firstWaitMs, longestWaitMs, onFailure }: RetryOptions,
): Promise<T | undefined> {
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMs * 2, longestWaitMs)) {
    try {
      signal.throwIfAborted();
      return await work(signal);
    } catch (error) {
      if (signal.aborted) return undefined;
      onFailure(error);
    }
    await pause(waitMs, signal);
  }
}

/** Waits, keeping no process alive, at most until the signal aborts. */
export function pause(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, durationMs).unref();
    signal.addEventListener('abort', done, { once: true });
  });
}
