// Searches the output of a run for a pattern, and keeps no more output than one match may span.
import type { GoPattern } from '../../go-pattern.ts';
import type { OutputTap } from './output-taps.ts';

/** Output up to this size, in bytes, is searched as a whole; longer output is searched in parts. */
const partBytes = 16 << 20;

/** How much consecutive parts overlap, in bytes. */
const sharedBytes = 1 << 20;

export class OutputSearch implements OutputTap {
  readonly #pattern: GoPattern;
  readonly #partBytes: number;
  readonly #sharedBytes: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #isInside = false;
  #isFound = false;

  constructor(pattern: GoPattern, sizes = { partBytes, sharedBytes }) {
    this.#pattern = pattern;
    this.#partBytes = sizes.partBytes;
    this.#sharedBytes = sizes.sharedBytes;
  }

  take(chunk: Buffer): void {
    if (this.#isFound) return;
    // The chunk's memory may be used for the next.
    this.#held.push(Buffer.from(chunk));
    this.#heldBytes += chunk.length;
    if (this.#heldBytes < this.#partBytes) return;
    const text = this.#search();
    // A part begins with a line break, so that `^` matches at the line after it.
    const newline = text.lastIndexOf(10, -this.#sharedBytes);
    const from = Math.max(newline, text.length - 2 * this.#sharedBytes);
    this.#held = this.#isFound ? [] : [Buffer.from(text.subarray(from))];
    this.#heldBytes = text.length - from;
    this.#isInside = true;
  }

  #search(): Buffer {
    const text = Buffer.concat(this.#held);
    this.#isFound = this.#pattern.test(text, this.#isInside);
    return text;
  }

  /** Whether the pattern was found; called after all output. */
  end(): boolean {
    if (!this.#isFound) this.#search();
    this.#held = [];
    return this.#isFound;
  }
}
