// When the output of a log was written, as the buildlet tells it ahead of the output.
import { GomoteError } from '../../errors.ts';

/** A buildlet reports times for at most some MiB ahead, which have fewer. */
const mostAhead = 1 << 20;

export class TimeLine {
  #ahead: [offset: number, moment: number][] = [];
  #index = 0;
  #moment: number | undefined;

  add(times: readonly [offset: number, moment: number][]): void {
    this.#ahead = [...this.#ahead.slice(this.#index), ...times];
    this.#index = 0;
    if (this.#ahead.length > mostAhead)
      throw new GomoteError('ERR_REPLY', 'the log has more times than output');
  }

  /** The log arrives again. */
  restart(): void {
    this.#ahead = [];
    this.#index = 0;
  }

  /** When the record at that offset of the log was written, in ms since 1970; offsets only grow. Undefined: it was not told. */
  at(offset: number): number | undefined {
    for (let next = this.#ahead[this.#index]; next !== undefined && next[0] <= offset; ) {
      this.#moment = next[1];
      next = this.#ahead[++this.#index];
    }
    return this.#moment;
  }
}
