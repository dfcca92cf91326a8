// Ends a buildlet by itself: after a time without use, or at a maximum age.

interface LeaseOptions {
  /** Ends after this long with no request being served; absent: never. */
  readonly idleTimeoutMs?: number | undefined;
  /** Ends at this age, whatever is running; absent: never. */
  readonly maxLifetimeMs?: number | undefined;
  /** Called once, with the reason in words. */
  readonly onExpired: (reason: string) => void;
}

/** Counts uses and calls `onExpired` in time. Its timers do not keep the process alive. */
export class Lease {
  readonly #options: LeaseOptions;
  readonly #startedAtMs = Date.now();
  #lastUseAtMs = Date.now();
  #uses = 0;
  #idleTimer: NodeJS.Timeout | undefined;
  readonly #lifetimeTimer: NodeJS.Timeout | undefined;

  constructor(options: LeaseOptions) {
    this.#options = options;
    const { maxLifetimeMs } = options;
    if (maxLifetimeMs !== undefined) {
      this.#lifetimeTimer = setTimeout(() => this.#expire('its lifetime is over'), maxLifetimeMs);
      this.#lifetimeTimer.unref();
    }
    this.#startIdleTimer();
  }

  /** Begins a use; call the result at its end. */
  use(): () => void {
    this.#uses++;
    clearTimeout(this.#idleTimer);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      this.#uses--;
      this.#lastUseAtMs = Date.now();
      if (this.#uses === 0) this.#startIdleTimer();
    };
  }

  /** When the buildlet ends if it is not used again; undefined: never. */
  get expiresAt(): Date | undefined {
    const { idleTimeoutMs, maxLifetimeMs } = this.#options;
    const lastUseAtMs = this.#uses > 0 ? Date.now() : this.#lastUseAtMs;
    const endsAtMs = Math.min(
      idleTimeoutMs === undefined ? Infinity : lastUseAtMs + idleTimeoutMs,
      maxLifetimeMs === undefined ? Infinity : this.#startedAtMs + maxLifetimeMs,
    );
    return endsAtMs === Infinity ? undefined : new Date(endsAtMs);
  }

  stop(): void {
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#lifetimeTimer);
  }

  #startIdleTimer(): void {
    const { idleTimeoutMs } = this.#options;
    if (idleTimeoutMs === undefined) return;
    this.#idleTimer = setTimeout(() => this.#expire('it has been idle'), idleTimeoutMs);
    this.#idleTimer.unref();
  }

  #expire(reason: string): void {
    this.stop();
    this.#options.onExpired(reason);
  }
}
