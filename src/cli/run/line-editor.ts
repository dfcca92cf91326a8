// Formats lines of output: with the times at which they were written, and filtered.
import type { GoPattern } from '../../go-pattern.ts';

export type StreamName = 'stdout' | 'stderr';

interface LineChoice {
  readonly timestamps?: boolean | undefined;
  /** Only lines that were begun at this moment or later, in ms since 1970. */
  readonly sinceAtMs?: number | undefined;
  /** Only lines that were begun before this moment. */
  readonly untilAtMs?: number | undefined;
  readonly grep?: GoPattern | undefined;
  readonly stream?: StreamName | undefined;
}

/** How much of a long line the filters look at, in bytes. */
const longestLineBytes = 64 << 10;

interface Line {
  /** Whether the line is shown; undefined while that depends on the rest of the line. */
  isShown: boolean | undefined;
  readonly prefix: string;
  held: Buffer;
}

export class LineEditor {
  readonly #choice: LineChoice;
  readonly #open: { [Name in StreamName]?: Line | undefined } = {};
  #isGuessed = false;

  constructor(choice: LineChoice) {
    this.#choice = choice;
  }

  /** Whether times are those of arrival, because the buildlet sends none. */
  get isGuessed(): boolean {
    return this.#isGuessed;
  }

  /** The formatted text for these bytes; `atMs`: when they were written. */
  readonly edit = (bytes: Buffer, stream: StreamName, atMs: number | undefined): Buffer => {
    const shown: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(10, at);
      const end = newline < 0 ? bytes.length : newline + 1;
      const line = this.#open[stream] ?? this.#begin(stream, atMs);
      this.#open[stream] = newline < 0 ? line : undefined;
      shown.push(...this.#take(line, bytes.subarray(at, end), newline >= 0));
      at = end;
    }
    return Buffer.concat(shown);
  };

  rest(stream: StreamName): Buffer {
    const line = this.#open[stream];
    this.#open[stream] = undefined;
    return Buffer.concat(line === undefined ? [] : this.#take(line, Buffer.alloc(0), true));
  }

  #begin(stream: StreamName, atMs: number | undefined): Line {
    const { sinceAtMs = -Infinity, untilAtMs = Infinity, grep, timestamps } = this.#choice;
    this.#isGuessed ||= atMs === undefined;
    const timeMs = atMs ?? Date.now();
    const isOther = this.#choice.stream !== undefined && this.#choice.stream !== stream;
    const isWanted = !isOther && timeMs >= sinceAtMs && timeMs < untilAtMs;
    const isShown = !isWanted ? false : grep === undefined ? true : undefined;
    const line = {
      isShown,
      prefix: timestamps ? `${timeText(timeMs)} ` : '',
      held: Buffer.alloc(0),
    };
    // Nothing is held back: the prefix is written with the first byte.
    if (isShown) line.held = Buffer.from(line.prefix);
    return line;
  }

  #take(line: Line, part: Buffer, isEnd: boolean): Uint8Array[] {
    if (line.isShown === false) return [];
    if (line.isShown === undefined) {
      line.held = Buffer.concat([line.held, part]);
      if (!isEnd && line.held.length < longestLineBytes) return [];
      line.isShown = this.#choice.grep?.test(withoutEnd(line.held)) === true;
      if (!line.isShown) return [];
      return [Buffer.from(line.prefix), this.#release(line)];
    }
    return [this.#release(line), part];
  }

  #release(line: Line): Buffer {
    const { held } = line;
    line.held = Buffer.alloc(0);
    return held;
  }
}

function withoutEnd(line: Buffer): Buffer {
  const end = line.at(-1) === 10 ? line.length - 1 : line.length;
  return line.subarray(0, line[end - 1] === 13 ? end - 1 : end);
}

/** The latest time that a Date can hold, in ms. */
const latestAtMs = 8.64e15;

/** RFC 3339, in UTC, with milliseconds. */
export const timeText = (timeMs: number): string =>
  new Date(Math.min(timeMs, latestAtMs)).toISOString();
