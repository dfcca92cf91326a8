// Follows the framing of a chunked body, to find how much of it may be relayed unchanged.

const cr = 0x0d;
const lf = 0x0a;

/** A size of at most seven hex digits and nothing else in the line. Anything else is left to a complete parser. */
const sizeLine = /^([0-9a-f]{1,7})\r\n$/i;
const longestLineBytes = 9;

const nothing = Buffer.alloc(0);

export class ChunkScanner {
  /** Of the current chunk, with the CR LF at its end; 0 between chunks. */
  #left = 0;
  /** The beginning of an incomplete size line. */
  #held = nothing;
  #dataBytes = 0;
  #isOver = false;

  /** The data bytes of all chunks so far, including the current one. */
  get dataBytes(): number {
    return this.#dataBytes;
  }

  /** Whether the last chunk, or anything that is not a chunk, was seen. The rest is left to a complete parser. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Takes the next bytes. Returns them, after what was held back before, and how many may be relayed. Until the end,
   * the rest is held back. Throws when a chunk does not end as it must.
   */
  scan(next: Buffer): { piece: Buffer; passable: number } {
    const piece = this.#held.length === 0 ? next : Buffer.concat([this.#held, next]);
    let at = 0;
    while (at < piece.length && !this.#isOver) {
      const end = this.#left > 0 ? this.#skip(piece, at) : this.#readSize(piece, at);
      if (end === undefined) break;
      at = end;
    }
    this.#held = this.#isOver ? nothing : Buffer.from(piece.subarray(at));
    return { piece, passable: at };
  }

  /** The end of the size line; undefined when it is incomplete or must not be relayed. */
  #readSize(piece: Buffer, at: number): number | undefined {
    const text = piece.toString('latin1', at, at + longestLineBytes);
    const end = text.indexOf('\n') + 1;
    if (end === 0 && text.length < longestLineBytes) return undefined;
    const size = Number.parseInt(sizeLine.exec(text.slice(0, end))?.[1] ?? '0', 16);
    this.#isOver = size === 0;
    if (this.#isOver) return undefined;
    this.#left = size + 2;
    this.#dataBytes += size;
    return at + end;
  }

  /** Skips the rest of a chunk. */
  #skip(piece: Buffer, from: number): number {
    const to = Math.min(piece.length, from + this.#left);
    this.#left -= to - from;
    const isWrong =
      (this.#left === 1 && piece[to - 1] !== cr) ||
      (this.#left === 0 && (piece[to - 1] !== lf || (to - from > 1 && piece[to - 2] !== cr)));
    if (isWrong) throw new Error('a chunk does not end where it should');
    return to;
  }
}
