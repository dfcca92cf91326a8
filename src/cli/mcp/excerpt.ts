// Excerpts of long output: the beginning, lines that look like failures with their context, and the end.
// Each part has its offset, so that the rest can be read. Only the excerpt is kept in memory.

export interface Part {
  readonly from: number;
  readonly to: number;
  readonly bytes: Buffer;
}

/** The parts of the output that are shown, in order, and its total size. */
export interface ShownOutput {
  readonly parts: readonly Part[];
  readonly totalBytes: number;
  /** How much of it the buildlet dropped before it could be read. */
  readonly droppedBytes: number;
  /** How many lines that look like failures are not shown. */
  readonly hiddenFailures: number;
}

interface Piece {
  readonly from: number;
  readonly bytes: Buffer;
}

/** Longer lines are split into lines of this size, in bytes. */
const longestLineBytes = 2_048;

const [linesBefore, linesAfter] = [2, 4];

const failure =
  /\b(error|errors|fail|fails|failed|failure|fatal|panic|panicked|exception|traceback|undefined reference|segmentation fault|assertion|not ok)\b|✗|✘/i;

export class Excerpt {
  readonly #headBytes: number;
  readonly #failureBytes: number;
  readonly #tailBytes: number;
  readonly #head: Piece[] = [];
  readonly #failures: Piece[] = [];
  readonly #tail: Piece[] = [];
  /** The last lines before the end, as context. */
  readonly #before: Piece[] = [];
  readonly #sizes = { head: 0, failures: 0, tail: 0 };
  #open: Buffer[] = [];
  #openBytes = 0;
  #taken = 0;
  #droppedBytes = 0;
  #after = 0;
  #hiddenFailures = 0;

  /** @param budgetBytes The maximum size of the excerpt, in bytes. */
  constructor(budgetBytes: number) {
    this.#headBytes = Math.floor(budgetBytes * 0.3);
    this.#failureBytes = Math.floor(budgetBytes * 0.3);
    this.#tailBytes = budgetBytes - this.#headBytes - this.#failureBytes;
  }

  get totalBytes(): number {
    return this.#taken + this.#openBytes;
  }

  take(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const newline = chunk.indexOf(10, at);
      const room = longestLineBytes - this.#openBytes;
      const end = Math.min(newline < 0 ? chunk.length : newline + 1, at + room);
      this.#open.push(Buffer.from(chunk.subarray(at, end)));
      this.#openBytes += end - at;
      if (end === newline + 1 || this.#openBytes === longestLineBytes) this.#close();
      at = end;
    }
  }

  /** So much of the output was dropped by the buildlet: what follows keeps its place. */
  skip(bytes: number): void {
    if (this.#openBytes > 0) this.#close();
    this.#taken += bytes;
    this.#droppedBytes += bytes;
  }

  shown(): ShownOutput {
    const open = this.#openBytes === 0 ? [] : [this.#openLine()];
    const parts = joined([...this.#head, ...this.#failures, ...this.#tail, ...open]);
    return {
      ...{ parts, totalBytes: this.totalBytes },
      ...{ droppedBytes: this.#droppedBytes, hiddenFailures: this.#hiddenFailures },
    };
  }

  #openLine(): Piece {
    return { from: this.#taken, bytes: Buffer.concat(this.#open) };
  }

  #close(): void {
    const line = this.#openLine();
    this.#open = [];
    this.#openBytes = 0;
    this.#taken += line.bytes.length;
    const isHead =
      this.#tail.length === 0 && this.#sizes.head + line.bytes.length <= this.#headBytes;
    if (isHead) {
      this.#head.push(line);
      this.#sizes.head += line.bytes.length;
      return;
    }
    this.#tail.push(line);
    this.#sizes.tail += line.bytes.length;
    while (this.#sizes.tail > this.#tailBytes) {
      const oldest = this.#tail.shift();
      if (oldest === undefined) return;
      this.#sizes.tail -= oldest.bytes.length;
      this.#pass(oldest);
    }
  }

  #pass(line: Piece): void {
    const isFailure = failure.test(line.bytes.toString());
    const wanted = isFailure ? [...this.#before, line] : this.#after > 0 ? [line] : [];
    const sizeBytes = wanted.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const isShown = wanted.length > 0 && this.#sizes.failures + sizeBytes <= this.#failureBytes;
    if (isFailure && !isShown) this.#hiddenFailures++;
    this.#after = isFailure && isShown ? linesAfter : Math.max(0, this.#after - 1);
    if (isShown) {
      this.#failures.push(...wanted);
      this.#sizes.failures += sizeBytes;
      this.#before.length = 0;
      return;
    }
    this.#before.push(line);
    if (this.#before.length > linesBefore) this.#before.shift();
  }
}

function joined(pieces: readonly Piece[]): Part[] {
  const parts: { from: number; to: number; chunks: Buffer[] }[] = [];
  for (const { from, bytes } of pieces) {
    const last = parts.at(-1);
    if (last?.to === from) {
      last.chunks.push(bytes);
      last.to += bytes.length;
    } else parts.push({ from, to: from + bytes.length, chunks: [bytes] });
  }
  return parts.map(({ from, to, chunks }) => ({ from, to, bytes: Buffer.concat(chunks) }));
}
