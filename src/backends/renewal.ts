// Renews the lease of a buildlet that is in use.
import type { BackendCall } from './backend.ts';

/** The minimum interval between renewals on the platform, in ms. */
export const renewalIntervalMs = 60_000;

/** Allows one renewal of each name in an interval. */
export class Throttle {
  readonly #lastAtMs = new Map<string, number>();

  /** Whether a renewal is due. If so, a new interval begins. */
  take(name: string): boolean {
    const nowMs = Date.now();
    if (nowMs - (this.#lastAtMs.get(name) ?? -Infinity) < renewalIntervalMs) return false;
    this.#set(name, nowMs);
    return true;
  }

  /** Records somebody else's renewal, such as one read from a file. */
  note(name: string, atMs: number): void {
    this.#set(name, atMs);
  }

  /** Forgets names whose interval has passed: buildlets come and go while this process runs. */
  #set(name: string, atMs: number): void {
    const nowMs = Date.now();
    for (const [other, lastAtMs] of this.#lastAtMs) {
      if (nowMs - lastAtMs >= renewalIntervalMs) this.#lastAtMs.delete(other);
    }
    this.#lastAtMs.set(name, atMs);
  }

  /** How many names are known. */
  get size(): number {
    return this.#lastAtMs.size;
  }
}

type Renew = (call: BackendCall) => Promise<void>;

/**
 * Renews at once and every minute until the result is called, which waits for a renewal in progress. A failed renewal
 * is passed to `onError` and does not fail the use. It does not keep the process alive.
 */
export function startRenewal(
  renew: Renew,
  call: BackendCall,
  onError: (error: unknown) => void,
): () => Promise<void> {
  let pending: Promise<void> = Promise.resolve();
  const once = () => {
    pending = renew(call).catch(onError);
  };
  once();
  const timer = setInterval(once, renewalIntervalMs).unref();
  return async () => {
    clearInterval(timer);
    await pending;
  };
}
