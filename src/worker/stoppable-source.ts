// A source of bytes whose reader can be stopped while it waits for the next chunk.
import { GomoteError, messageOf } from '../errors.ts';

export class StoppableSource {
  readonly #iterator: AsyncIterator<Uint8Array>;
  #stopped: Error | undefined;
  #wake: ((reason: Error) => void) | undefined;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  /** Makes `chunks` throw `reason`, even when the source never yields another chunk. The first reason is kept. */
  stop(reason: Error): void {
    this.#stopped ??= reason;
    this.#wake?.(reason);
  }

  /** Throws the reason it was stopped for, if any. */
  throwIfStopped(): void {
    if (this.#stopped !== undefined) throw this.#stopped;
  }

  /** The source's chunks, to be read once. A failing source throws ERR_LOST, unless its error is more specific. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        this.throwIfStopped();
        const next = await this.#next();
        if (next.done) return;
        yield next.value;
      }
    } finally {
      // Not awaited: a source that waits for its next chunk would return only after that.
      Promise.resolve(this.#iterator.return?.()).catch(() => {});
    }
  }

  #next(): Promise<IteratorResult<Uint8Array>> {
    return new Promise((resolve, reject) => {
      this.#wake = reject;
      this.#iterator.next().then(resolve, (error: unknown) => reject(lost(error)));
    });
  }
}

function lost(error: unknown): Error {
  if (error instanceof GomoteError) return error;
  return new GomoteError('ERR_LOST', `tar error: ${messageOf(error)}`, { cause: error });
}
