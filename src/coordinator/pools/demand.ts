// How many machines to keep ready: as many as were in use at once within some time.

export class Demand {
  /** How long it is remembered, in ms. */
  keepMs: number;
  #current = 0;
  /** What was in use once, and until when that counts: the highest, and the oldest, first. */
  #before: { readonly count: number; readonly untilAtMs: number }[] = [];

  constructor(keepMs: number) {
    this.keepMs = keepMs;
  }

  /** So many are in use from now on. */
  note(count: number, nowMs: number): void {
    if (count < this.#current && this.keepMs > 0) {
      const last = { count: this.#current, untilAtMs: nowMs + this.keepMs };
      this.#before = [...this.#before.filter((one) => one.count > last.count), last];
    }
    this.#current = count;
  }

  /** The most that was in use within the time. */
  peak(nowMs: number): number {
    this.#before = this.#before.filter(({ untilAtMs }) => untilAtMs > nowMs);
    return Math.max(this.#current, this.#before[0]?.count ?? 0);
  }

  /** In how many ms the peak may be lower; undefined: not as long as nothing is given back. */
  changesIn(nowMs: number): number | undefined {
    const [first] = this.#before;
    return first === undefined ? undefined : Math.max(0, first.untilAtMs - nowMs);
  }
}
