// The longest times without output of a run.
import type { StreamName } from './line-editor.ts';

export interface Silence {
  readonly durationMs: number;
  /** When it began, in ms since 1970. */
  readonly sinceAtMs: number;
  /** The last line before it; empty at the beginning. */
  readonly line: string;
}

/** How many are kept, and how long one must be, in ms. */
const keptSilences = 10;
const leastMs = 100;

const lineBytes = 500;

export class Silences {
  longest: readonly Silence[] = [];
  #sinceAtMs: number;
  #line = '';
  readonly #open = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };

  /** @param startedMs When the run began, in ms since 1970. */
  constructor(startedMs: number) {
    this.#sinceAtMs = startedMs;
  }

  /** Adds output that was written at that time. */
  take(bytes: Buffer, stream: StreamName, atMs: number): void {
    this.end(atMs);
    this.#sinceAtMs = Math.max(this.#sinceAtMs, atMs);
    const ends = bytes.at(-1) === 10 ? bytes.length - 1 : bytes.length;
    const before = ends > 0 ? bytes.lastIndexOf(10, ends - 1) : -1;
    const start = before < 0 ? this.#open[stream] : Buffer.alloc(0);
    const line = Buffer.concat([start, bytes.subarray(before + 1, ends)]).subarray(0, lineBytes);
    this.#line = line.toString();
    this.#open[stream] = ends < bytes.length ? Buffer.alloc(0) : line;
  }

  end(atMs: number): void {
    const durationMs = atMs - this.#sinceAtMs;
    if (durationMs < leastMs) return;
    const silence = { durationMs, sinceAtMs: this.#sinceAtMs, line: this.#line };
    this.longest = [...this.longest, silence]
      .sort((a, b) => b.durationMs - a.durationMs)
      .slice(0, keptSilences);
  }
}
