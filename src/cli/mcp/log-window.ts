// Reads a part of a log, by offset.

export interface LogPart {
  take(bytes: Buffer, stream: 'stdout' | 'stderr'): void;
  /** So much of the output was dropped by the buildlet: what follows keeps its place. */
  skip(bytes: number, stream: 'stdout' | 'stderr'): void;
  shown(): ShownLog;
}

export interface ShownLog {
  readonly lines: readonly string[];
  /** The offset of the next part; undefined at the end. */
  readonly next: number | undefined;
  readonly totalBytes: number;
}

/** Reads the output from an offset; a negative offset counts from the end. */
export class LogWindow implements LogPart {
  readonly #offset: number;
  readonly #limit: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #totalBytes = 0;
  /** Where the first byte that is held is in the output. */
  #heldFrom = 0;
  /** Where the output continues after a gap that ended the part. */
  #resumeAt: number | undefined;

  constructor({ offset, limit }: { readonly offset: number; readonly limit: number }) {
    this.#offset = offset;
    this.#limit = limit;
  }

  take(bytes: Buffer): void {
    const at = this.#totalBytes;
    this.#totalBytes += bytes.length;
    if (this.#resumeAt !== undefined) return;
    const isFromEnd = this.#offset < 0;
    const from = isFromEnd ? 0 : Math.max(0, this.#offset - at);
    if (this.#heldBytes === 0) this.#heldFrom = at + from;
    // Bytes that were dropped take nothing of the limit.
    const begin = this.#heldFrom;
    const to = isFromEnd ? undefined : Math.max(0, begin + this.#limit - at);
    this.#hold(bytes.subarray(from, to), isFromEnd ? -this.#offset : this.#limit);
  }

  /** A part never leads over a gap. */
  skip(bytes: number): void {
    this.#totalBytes += bytes;
    if (this.#offset < 0) {
      this.#held = [];
      this.#heldBytes = 0;
    } else if (this.#heldBytes > 0 && this.#heldBytes < this.#limit) {
      this.#resumeAt ??= this.#totalBytes;
    }
  }

  /** Keeps the end of the data. */
  #hold(bytes: Buffer, mostBytes: number): void {
    if (bytes.length === 0) return;
    const last = Buffer.from(bytes.subarray(-mostBytes));
    this.#held.push(last);
    this.#heldBytes += last.length;
    for (let [first] = this.#held; first !== undefined; [first] = this.#held) {
      if (this.#heldBytes - first.length < mostBytes) return;
      this.#held.shift();
      this.#heldBytes -= first.length;
    }
  }

  shown(): ShownLog {
    const all = Buffer.concat(this.#held);
    const isFromEnd = this.#offset < 0;
    const held = isFromEnd ? all.subarray(this.#offset) : all;
    const from = isFromEnd ? this.#totalBytes - held.length : this.#heldFrom;
    const part = held.subarray(0, this.#limit);
    const end = from + part.length;
    const text = part.toString();
    const isAfterGap = held.length > 0 && !isFromEnd && from > this.#offset;
    return {
      lines: [
        ...(isAfterGap ? [`[dropped up to offset ${from}]`] : []),
        ...(text === '' ? [] : [text.endsWith('\n') ? text.slice(0, -1) : text]),
      ],
      next: held.length > 0 && end < this.#totalBytes ? (this.#resumeAt ?? end) : undefined,
      totalBytes: this.#totalBytes,
    };
  }
}
