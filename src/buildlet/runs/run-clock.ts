// The timers of a run. Time limits are suspended while its processes are stopped.
import type { Standstill } from '../../protocol/session.ts';
import { type LongTimer, longTimer } from '../../timeout-signal.ts';

/** How long the end of a command may take to be noticed, in ms. */
const endingMs = 50;

export class RunClock {
  readonly #timers = new Set<LongTimer>();
  /** Timers that continue with the run. */
  #due: (() => void)[] = [];
  #isOver = false;
  #standstill: Standstill | undefined;
  #isConfirmed = false;
  #stoppedAtMs = 0;
  #standstillMs = 0;
  #wentOnAtMs = 0;

  get isHeld(): boolean {
    return this.#standstill !== undefined;
  }

  /** Why the run is stopped; undefined when it is not, or not yet: it may end before. */
  get standstill(): Standstill | undefined {
    return this.#isConfirmed ? this.#standstill : undefined;
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
    const endsAtMs = this.#nowMs + limitMs;
    this.#when(() => endsAtMs - this.#nowMs, act);
  }

  /** Calls `act` when the run has been running for this many ms since the time that `sinceMs` returns. */
  limitSince(sinceMs: () => number, limitMs: number, act: () => void): void {
    const leftMs = () => Math.max(sinceMs(), this.#wentOnAtMs) + limitMs - performance.now();
    this.#when(leftMs, act);
  }

  #when(leftMs: () => number, act: () => void): void {
    if (this.isHeld) return void this.#due.push(() => this.#when(leftMs, act));
    const delayMs = leftMs();
    if (delayMs > 0) this.after(delayMs, () => this.#when(leftMs, act));
    else act();
  }

  get #nowMs(): number {
    const nowMs = this.#standstill === undefined ? performance.now() : this.#stoppedAtMs;
    return nowMs - this.#standstillMs;
  }

  /** Suspends the limits, until `goOn`. */
  hold(standstill: Standstill): void {
    if (!this.isHeld) this.#stoppedAtMs = performance.now();
    this.#standstill = standstill;
    this.#isConfirmed = false;
  }

  /** Says that the processes are stopped, unless the run ends now: its last line may be the one that matched. */
  confirm(tell: () => void): void {
    const confirm = () => {
      this.#isConfirmed = true;
      tell();
    };
    // Not before an end that is already known to the system has been read.
    if (this.#standstill?.by === 'break') this.after(endingMs, () => setImmediate(confirm));
    else confirm();
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

  end(): void {
    this.#isOver = true;
    this.#standstill = undefined;
    this.#due = [];
    for (const timer of this.#timers) timer.clear();
  }
}
