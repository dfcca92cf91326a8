// Finds the lines of a log that match a pattern, with their offsets.
import type { GoPattern } from '../../go-pattern.ts';
import type { LogPart, ShownLog } from './log-window.ts';

/** Only this much of a line is searched, in bytes. */
const longestLineBytes = 64 << 10;

const shownLineBytes = 1_000;

interface OpenLine {
  readonly from: number;
  readonly chunks: Buffer[];
  bytes: number;
}

type StreamName = 'stdout' | 'stderr';

export class MatchingLines implements LogPart {
  readonly #pattern: GoPattern;
  readonly #offset: number;
  readonly #limit: number;
  readonly #lines: string[] = [];
  readonly #open: { [Name in StreamName]?: OpenLine | undefined } = {};
  #shownBytes = 0;
  #totalBytes = 0;
  #next: number | undefined;

  constructor(
    pattern: GoPattern,
    { offset, limit }: { readonly offset: number; readonly limit: number },
  ) {
    this.#pattern = pattern;
    this.#offset = offset;
    this.#limit = limit;
  }

  take(bytes: Buffer, stream: StreamName): void {
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(10, at);
      const end = newline < 0 ? bytes.length : newline;
      const line = this.#open[stream] ?? { from: this.#totalBytes + at, chunks: [], bytes: 0 };
      const room = Math.max(0, longestLineBytes - line.bytes);
      line.chunks.push(Buffer.from(bytes.subarray(at, Math.min(end, at + room))));
      line.bytes += end - at;
      this.#open[stream] = newline < 0 ? line : undefined;
      if (newline >= 0) this.#close(line);
      at = end + 1;
    }
    this.#totalBytes += bytes.length;
  }

  /** The line that had begun ends at the gap. */
  skip(bytes: number, stream: StreamName): void {
    const line = this.#open[stream];
    if (line !== undefined) this.#close(line);
    this.#open[stream] = undefined;
    this.#totalBytes += bytes;
  }

  #close({ from, chunks }: OpenLine): void {
    if (from < this.#offset || this.#next !== undefined) return;
    const line = Buffer.concat(chunks);
    if (!this.#pattern.test(line)) return;
    const text = `${from}: ${line.subarray(0, shownLineBytes).toString()}`;
    const isTooMuch = this.#lines.length > 0 && this.#shownBytes + text.length > this.#limit;
    if (isTooMuch) {
      this.#next = from;
      return;
    }
    this.#lines.push(line.length > shownLineBytes ? `${text}…` : text);
    this.#shownBytes += text.length + 1;
  }

  shown(): ShownLog {
    for (const stream of ['stdout', 'stderr'] as const) {
      const line = this.#open[stream];
      if (line !== undefined) this.#close(line);
      this.#open[stream] = undefined;
    }
    const lines = this.#lines.length === 0 ? ['(no line matches)'] : this.#lines;
    return { lines, next: this.#next, totalBytes: this.#totalBytes };
  }
}
