// Records the beginning and the end of a command's output, with times, for the bundle of a failed run.
import { createHash, type Hash } from 'node:crypto';
import type { LogOutputs } from '../../client/runs/log-outputs.ts';

export type StreamName = 'stdout' | 'stderr';

export interface Piece {
  readonly stream: StreamName;
  /** When the command wrote it, or when it arrived if the buildlet sends no times; in ms since 1970. */
  readonly atMs: number;
  readonly bytes: Buffer;
}

/** How much of the beginning and of the end is kept, in bytes, of both streams together. */
const headBytes = 4 << 20;
const tailBytes = 12 << 20;

const tailPieces = 100_000;

export class OutputRecorder {
  readonly #limits: { readonly headBytes: number; readonly tailBytes: number };
  #head: Piece[] = [];
  #headBytes = 0;
  #tail: Piece[] = [];
  /** The index in `#tail` of the oldest piece. */
  #first = 0;
  #tailBytes = 0;
  #droppedBytes = 0;
  #sums = newSums();

  constructor(limits = { headBytes, tailBytes }) {
    this.#limits = limits;
  }

  restart(): void {
    this.#head = [];
    this.#tail = [];
    this.#headBytes = this.#first = this.#tailBytes = this.#droppedBytes = 0;
    this.#sums = newSums();
  }

  /** Adds output, and returns it unchanged. On a terminal, both streams are in `stdout`. */
  readonly take = (bytes: Buffer, stream: StreamName, atMs = Date.now()): Buffer => {
    const sum = this.#sums[stream];
    sum.bytes += bytes.length;
    sum.hash.update(bytes);
    // The buffer may be reused.
    const piece = { stream, atMs, bytes: Buffer.from(bytes) };
    if (this.#droppedBytes === 0 && this.#headBytes + bytes.length <= this.#limits.headBytes) {
      this.#head.push(piece);
      this.#headBytes += bytes.length;
    } else this.#addToTail(piece);
    return bytes;
  };

  before(edit: LogOutputs['edit']): LogOutputs['edit'] {
    return (bytes, stream, atMs) => {
      this.take(bytes, stream, atMs);
      return edit?.(bytes, stream, atMs) ?? bytes;
    };
  }

  #addToTail(piece: Piece): void {
    this.#tail.push(piece);
    this.#tailBytes += piece.bytes.length;
    const isTooMuch = () =>
      this.#tailBytes > this.#limits.tailBytes || this.#tail.length - this.#first > tailPieces;
    while (isTooMuch() && this.#first < this.#tail.length - 1) {
      const dropped = this.#tail[this.#first]?.bytes.length ?? 0;
      this.#tailBytes -= dropped;
      this.#droppedBytes += dropped;
      this.#first++;
    }
    if (this.#first < tailPieces) return;
    this.#tail = this.#tail.slice(this.#first);
    this.#first = 0;
  }

  /** The recorded output in order of arrival, and how many bytes between the beginning and the end are missing. */
  kept(): {
    readonly head: readonly Piece[];
    readonly dropped: number;
    readonly tail: readonly Piece[];
  } {
    return { head: this.#head, dropped: this.#droppedBytes, tail: this.#tail.slice(this.#first) };
  }

  sums(): Record<StreamName, { readonly bytes: number; readonly sha256: string }> {
    const of = ({ bytes, hash }: Sum) => ({ bytes, sha256: hash.copy().digest('hex') });
    return { stdout: of(this.#sums.stdout), stderr: of(this.#sums.stderr) };
  }
}

interface Sum {
  bytes: number;
  readonly hash: Hash;
}

const newSum = (): Sum => ({ bytes: 0, hash: createHash('sha256') });

const newSums = () => ({ stdout: newSum(), stderr: newSum() });
