// The timers of a run. Time limits are suspended while its processes are stopped.
import type { Standstill } from '../../protocol/session.ts';
import { type LongTimer, longTimer } from '../../timeout-signal.ts';

export class RunClock {
  readonly #timers = new Set<LongTimer>();
  /** Timers that continue with the run. */
  #due: (() => void)[] = [];
  #isOver = false;
  #standstill: Standstill | undefined;
  #stoppedAtMs = 0;
  #standstillMs = 0;
  #wentOnAtMs = 0;

  /** Why the run is stopped; undefined when it is not. */
  get standstill(): Standstill | undefined {
    return this.#standstill;
  }

  /** Calls `act` after this many ms, whether or not the run is stopped. */
  after(delayMs: number, act: () => void): void {
    if (this.#isOver) return;
    const timer = longTimer(() => {
      this.#timers.delete(timer);
      act();
    }, delayMs);
    this.#timers.add(timer);
  }

  /** Calls `act` when the run has been running for this many ms. */
  limit(limitMs: number, act: () => void): void {
    const endMs = this.#nowMs + limitMs;
    this.#when(() => endMs - this.#nowMs, act);
  }

  /** Calls `act` when the run has been running for this many ms since the time that `sinceMs` returns. */
  limitSince(sinceMs: () => number, limitMs: number, act: () => void): void {
    const leftMs = () => Math.max(sinceMs(), this.#wentOnAtMs) + limitMs - performance.now();
    this.#when(leftMs, act);
  }

  #when(leftMs: () => number, act: () => void): void {
    if (this.#standstill !== undefined) return void this.#due.push(() => this.#when(leftMs, act));
    const delayMs = leftMs();
    if (delayMs > 0) this.after(delayMs, () => this.#when(leftMs, act));
    else act();
  }

  get #nowMs(): number {
    const nowMs = this.#standstill === undefined ? performance.now() : this.#stoppedAtMs;
    return nowMs - this.#standstillMs;
  }

  stop(standstill: Standstill): void {
    if (this.#standstill === undefined) this.#stoppedAtMs = performance.now();
    this.#standstill = standstill;
  }

  /** Returns false when the run is not stopped. */
  goOn(): boolean {
    if (this.#standstill === undefined) return false;
    this.#standstill = undefined;
    this.#wentOnAtMs = performance.now();
    this.#standstillMs += this.#wentOnAtMs - this.#stoppedAtMs;
    const due = this.#due;
    this.#due = [];
    for (const act of due) act();
    return true;
  }

  /** Cancels all timers. */
  end(): void {
    this.#isOver = true;
    this.#standstill = undefined;
    this.#due = [];
    for (const timer of this.#timers) timer.clear();
  }
}
