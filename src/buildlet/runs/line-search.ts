// Searches the lines of a command's output for a pattern as they arrive, including an unfinished one.
import type { GoPattern } from '../../go-pattern.ts';

type StreamName = 'out' | 'err';

/** How much of an unfinished line is kept to be searched with the rest, in bytes. */
const keptBytes = 4 << 10;

const newline = 10;
const carriageReturn = 13;

/** What may follow a line that has not ended: what matches whatever follows is a match already. */
const followers = [Buffer.from('a'), Buffer.from(' ')];

export class LineSearch {
  readonly #pattern: GoPattern;
  readonly #open: Record<StreamName, Buffer> = { out: Buffer.alloc(0), err: Buffer.alloc(0) };
  readonly #hasMatched: Record<StreamName, boolean> = { out: false, err: false };
  /** Whether the open line began before what is kept of it. */
  readonly #isInside: Record<StreamName, boolean> = { out: false, err: false };

  constructor(pattern: GoPattern) {
    this.#pattern = pattern;
  }

  /** Adds output. Returns whether a line matches that has not matched before. */
  take(stream: StreamName, chunk: Buffer): boolean {
    const bytes = Buffer.concat([this.#open[stream], chunk]);
    let isFound = false;
    let at = 0;
    for (let end = bytes.indexOf(newline); end >= 0; end = bytes.indexOf(newline, at)) {
      const last = bytes[end - 1] === carriageReturn ? end - 1 : end;
      if (
        !this.#hasMatched[stream] &&
        this.#matches(stream, bytes.subarray(at, Math.max(at, last)))
      )
        isFound = true;
      this.#hasMatched[stream] = this.#isInside[stream] = false;
      at = end + 1;
    }
    return this.#takeOpen(stream, bytes.subarray(at)) || isFound;
  }

  #takeOpen(stream: StreamName, line: Buffer): boolean {
    const isFound =
      !this.#hasMatched[stream] && line.length > 0 && this.#matchesSoFar(stream, line);
    if (isFound) this.#hasMatched[stream] = true;
    if (line.length > keptBytes) this.#isInside[stream] = true;
    // The chunk's memory may be used for the next.
    this.#open[stream] = Buffer.from(line.subarray(-keptBytes));
    return isFound;
  }

  #matchesSoFar(stream: StreamName, line: Buffer): boolean {
    return (
      this.#matches(stream, line) &&
      followers.every((next) => this.#matches(stream, Buffer.concat([line, next])))
    );
  }

  #matches(stream: StreamName, line: Buffer): boolean {
    return this.#pattern.test(line, this.#isInside[stream]);
  }
}
