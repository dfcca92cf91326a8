// Reads a part of a log, by offset.

/** A consumer of a log. */
export interface LogPart {
  take(bytes: Buffer, stream: 'stdout' | 'stderr'): void;
  shown(): ShownLog;
}

export interface ShownLog {
  readonly lines: readonly string[];
  /** The offset of the next part; undefined at the end. */
  readonly next: number | undefined;
  /** The size of the output, in bytes. */
  readonly totalBytes: number;
}

/** Reads the output from an offset; a negative offset counts from the end. */
export class LogWindow implements LogPart {
  readonly #offset: number;
  readonly #limit: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #totalBytes = 0;

  constructor({ offset, limit }: { readonly offset: number; readonly limit: number }) {
    this.#offset = offset;
    this.#limit = limit;
  }

  take(bytes: Buffer): void {
    const at = this.#totalBytes;
    this.#totalBytes += bytes.length;
    const isFromEnd = this.#offset < 0;
    const from = isFromEnd ? 0 : Math.max(0, this.#offset - at);
    const to = isFromEnd ? undefined : Math.max(0, this.#offset + this.#limit - at);
    this.#hold(bytes.subarray(from, to), isFromEnd ? -this.#offset : this.#limit);
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
    const from = isFromEnd ? this.#totalBytes - held.length : this.#offset;
    const part = held.subarray(0, this.#limit);
    const end = from + part.length;
    const text = part.toString();
    return {
      lines: text === '' ? [] : [text.endsWith('\n') ? text.slice(0, -1) : text],
      next: end < this.#totalBytes ? end : undefined,
      totalBytes: this.#totalBytes,
    };
  }
}
