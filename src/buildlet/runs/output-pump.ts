// Moves a command's output into the log: at once on an idle stream, in larger chunks under load, never ahead of what
// the log and its readers can take.
import { createHash, type Hash, hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import type { StreamSum } from '../../protocol/session.ts';

type StreamName = 'out' | 'err';

export const emptySum = (): StreamSum => ({
  bytes: 0,
  sha256: hash('sha256', ''),
});

interface PumpOptions {
  readonly stdout: Readable;
  /** Absent: it is merged into stdout. */
  readonly stderr?: Readable | undefined;
  readonly onOutput: (stream: StreamName, chunk: Buffer) => void;
}

/** Reads smaller than this, in bytes, in quick succession are a burst of small writes. */
const smallBytes = 4 << 10;

/** A pause longer than this ends a burst, in ms. */
const burstGapMs = 3;

/** How many quick small reads make a burst. */
const burstReads = 16;

/** How long to let a burst gather in the pipe before the next read, in ms. */
const gatherMs = 1;

export class OutputPump {
  readonly #sources: Readable[];
  readonly #sums: Record<StreamName, { bytes: number; hash: Hash }> = {
    out: { bytes: 0, hash: createHash('sha256') },
    err: { bytes: 0, hash: createHash('sha256') },
  };
  readonly #onOutput: PumpOptions['onOutput'];
  #held = false;
  #gathering = false;
  #quickReads = 0;
  #lastReadAtMs = performance.now();
  /** Resolves when both streams have ended. */
  readonly ended: Promise<void>;

  constructor({ stdout, stderr, onOutput }: PumpOptions) {
    this.#onOutput = onOutput;
    this.#sources = stderr === undefined ? [stdout] : [stdout, stderr];
    this.ended = Promise.all([this.#take('out', stdout), this.#take('err', stderr)]).then(
      () => undefined,
    );
  }

  /** When output was last read, by `performance.now()`; while it is held back, now. */
  get lastOutputAtMs(): number {
    return this.#held ? performance.now() : this.#lastReadAtMs;
  }

  async #take(name: StreamName, source: Readable | undefined): Promise<void> {
    if (source === undefined) return;
    source.on('data', (chunk: Buffer) => {
      this.add(name, chunk);
      this.#gatherAfter(chunk.length);
    });
    // A terminal whose processes have ended fails instead of ending.
    await finished(source, { writable: false }).catch(() => undefined);
  }

  add(name: StreamName, chunk: Buffer): void {
    const sum = this.#sums[name];
    sum.bytes += chunk.length;
    sum.hash.update(chunk);
    this.#onOutput(name, chunk);
  }

  #gatherAfter(sizeBytes: number): void {
    const nowMs = performance.now();
    const quick = sizeBytes < smallBytes && nowMs - this.#lastReadAtMs < burstGapMs;
    this.#lastReadAtMs = nowMs;
    this.#quickReads = quick ? this.#quickReads + 1 : 0;
    if (this.#quickReads < burstReads || this.#gathering) return;
    this.#gathering = true;
    this.#update();
    setTimeout(() => {
      this.#gathering = false;
      this.#update();
    }, gatherMs);
  }

  /** Pauses or resumes the output. Pausing blocks the command. */
  hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    if (!held) this.#lastReadAtMs = performance.now();
    this.#update();
  }

  #update(): void {
    for (const source of this.#sources) {
      if (this.#held || this.#gathering) source.pause();
      else source.resume();
    }
  }

  /** Releases the streams: the command's next write fails. */
  cut(): void {
    for (const source of this.#sources) source.destroy();
  }

  /** The totals of the streams. Call it once, at the end. */
  sums(): { stdout: StreamSum; stderr: StreamSum } {
    const of = ({ bytes, hash }: { bytes: number; hash: Hash }): StreamSum => ({
      bytes,
      sha256: hash.digest('hex'),
    });
    return { stdout: of(this.#sums.out), stderr: of(this.#sums.err) };
  }
}
