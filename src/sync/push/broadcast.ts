// Reads a source once for several readers, none of them more than a few chunks ahead of the slowest.

/** How far the readers may be apart, in chunks. */
const maxAhead = 4;

interface Reader<T> {
  readonly waiting: IteratorResult<T>[];
  wake: () => void;
}

interface Output<T> extends AsyncIterable<T> {
  /** Stops reading, so that the others no longer wait for it. */
  release(): void;
}

/** The same chunks for `count` readers. Release each at its end. A failure of the source fails all of them. */
export const broadcast = <T>(source: AsyncIterable<T>, count: number): Output<T>[] =>
  new Broadcast(source, count).outputs;

class Broadcast<T> {
  readonly #source: AsyncIterator<T>;
  readonly #readers = new Set<Reader<T>>();
  readonly outputs: Output<T>[];
  #failure: { error: unknown } | undefined;
  #wakePump: () => void = () => undefined;
  #isRunning = false;

  constructor(source: AsyncIterable<T>, count: number) {
    this.#source = source[Symbol.asyncIterator]();
    this.outputs = Array.from({ length: count }, () => {
      const reader: Reader<T> = { waiting: [], wake: () => undefined };
      this.#readers.add(reader);
      const release = () => this.#release(reader);
      return { release, [Symbol.asyncIterator]: () => this.#read(reader) };
    });
  }

  async *#read(reader: Reader<T>): AsyncGenerator<T> {
    if (!this.#isRunning) void this.#pump();
    this.#isRunning = true;
    try {
      for (;;) {
        const next = reader.waiting.shift();
        this.#wakePump();
        if (next?.done === true) return;
        if (next !== undefined) yield next.value;
        else if (this.#failure !== undefined) throw this.#failure.error;
        else {
          await new Promise<void>((resolve) => {
            reader.wake = resolve;
          });
        }
      }
    } finally {
      this.#release(reader);
    }
  }

  #release(reader: Reader<T>): void {
    this.#readers.delete(reader);
    this.#wakePump();
  }

  async #pump(): Promise<void> {
    try {
      while (this.#readers.size > 0) {
        const next = await this.#source.next();
        for (const reader of this.#readers) {
          reader.waiting.push(next);
          reader.wake();
        }
        if (next.done) return;
        while ([...this.#readers].some(({ waiting }) => waiting.length >= maxAhead)) {
          await new Promise<void>((resolve) => {
            this.#wakePump = resolve;
          });
        }
      }
      await this.#source.return?.();
    } catch (error) {
      this.#failure = { error };
      for (const reader of this.#readers) reader.wake();
    }
  }
}
