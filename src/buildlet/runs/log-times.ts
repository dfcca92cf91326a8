// When the output in a log was written: pairs of log offset and time. In memory, since
// logs do not outlive their buildlet; bounded, and coarser for a log with very many writes.

/** How many times are kept for one log. */
const mostMoments = 1 << 18;

export class LogTimes {
  readonly #mostMoments: number;
  /** Log offsets of records; the output from there on, up to the next, was written at the moment of the same index. */
  #offsets: number[] = [];
  #moments: number[] = [];
  /** Times closer than this to the last one are merged, in ms. */
  #stepMs = 1;
  /** A monotonic clock: the system's may go back. */
  readonly #epochMs = Date.now() - performance.now();

  constructor(limit = mostMoments) {
    this.#mostMoments = limit;
  }

  add(offset: number, nowMs = this.#epochMs + performance.now()): void {
    const moment = Math.floor(nowMs);
    const last = this.#moments.at(-1);
    if (last !== undefined && moment - last < this.#stepMs) return;
    this.#offsets.push(offset);
    this.#moments.push(moment);
    while (this.#moments.length > this.#mostMoments) this.#thin();
  }

  /** Merges times that are close to each other, so that silences stay visible. */
  #thin(): void {
    this.#stepMs *= 2;
    let last = -Infinity;
    const kept = this.#moments.map((moment) => {
      if (moment - last < this.#stepMs) return false;
      last = moment;
      return true;
    });
    this.#offsets = this.#offsets.filter((_, i) => kept[i]);
    this.#moments = this.#moments.filter((_, i) => kept[i]);
  }

  /** Offsets and times for a part of the log: the first applies to its beginning. */
  between(from: number, to: number): [offset: number, moment: number][] {
    const found: [number, number][] = [];
    for (let i = this.#indexAt(from); i < this.#offsets.length; i++) {
      const [offset, moment] = [this.#offsets[i] ?? to, this.#moments[i] ?? 0];
      if (offset >= to) break;
      found.push([Math.max(offset, from), moment]);
    }
    return found;
  }

  /** The log before that offset was dropped. */
  dropBefore(offset: number): void {
    const index = this.#indexAt(offset);
    this.#offsets.splice(0, index);
    this.#moments.splice(0, index);
  }

  /** The index of the last one at or before `offset`, or 0. */
  #indexAt(offset: number): number {
    let [low, high] = [0, this.#offsets.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#offsets[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return low;
  }
}
