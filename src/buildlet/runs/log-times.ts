// When the output in a log was written: the log's offset and the moment, for each moment that something was. In memory, as
// logs do not outlive their buildlet; it is bounded, and coarser for a log that has very many moments.

/** How many moments are kept of one log. */
const mostMoments = 1 << 18;

export class LogTimes {
  readonly #mostMoments: number;
  /** Log offsets of records; the output from there on, up to the next, was written at the moment of the same index. */
  #offsets: number[] = [];
  #moments: number[] = [];
  /** Moments closer than this to the last are taken for the same, in ms. */
  #stepMs = 1;
  /** The clock of this process never goes back; that of the system may. */
  readonly #epochMs = Date.now() - performance.now();

  constructor(limit = mostMoments) {
    this.#mostMoments = limit;
  }

  /** Output is added at that offset now. */
  add(offset: number, nowMs = this.#epochMs + performance.now()): void {
    const moment = Math.floor(nowMs);
    const last = this.#moments.at(-1);
    if (last !== undefined && moment - last < this.#stepMs) return;
    this.#offsets.push(offset);
    this.#moments.push(moment);
    while (this.#moments.length > this.#mostMoments) this.#thin();
  }

  /** A silence stays where it is: only moments that are close to each other become one. */
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

  /** Offsets and moments for the log from one offset to another: the first holds for the beginning. */
  between(from: number, to: number): [offset: number, moment: number][] {
    const found: [number, number][] = [];
    for (let i = this.#indexAt(from); i < this.#offsets.length; i++) {
      const [offset, moment] = [this.#offsets[i] ?? to, this.#moments[i] ?? 0];
      if (offset >= to) break;
      found.push([Math.max(offset, from), moment]);
    }
    return found;
  }

  /** What lies before that offset in the log is no more. */
  dropBefore(offset: number): void {
    const index = this.#indexAt(offset);
    this.#offsets.splice(0, index);
    this.#moments.splice(0, index);
  }

  /** The index of the last that is not behind `offset`, or 0. */
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
