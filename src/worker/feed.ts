// Sends a source to a thread in chunks that are large enough for a message.
import type { Channel } from './channel.ts';
import type { StoppableSource } from './stoppable-source.ts';

/** A message to another thread costs as much as copying some 50 KiB. */
const pieceBytes = 256 << 10;

export class Feed {
  readonly #channel: Channel<never, unknown>;
  readonly #source: StoppableSource;
  #piece = Buffer.allocUnsafeSlow(pieceBytes);
  #usedBytes = 0;
  #isOver = false;
  /** Why the source ended early. */
  failure: unknown;

  constructor(channel: Channel<never, unknown>, source: StoppableSource) {
    this.#channel = channel;
    this.#source = source;
    // While the thread is busy, small chunks are collected; an idle thread gets them at once.
    channel.onIdle = () => this.#send();
  }

  async run(): Promise<void> {
    try {
      for await (const chunk of this.#source.chunks()) await this.#take(chunk);
      this.#send();
      if (!this.#isOver) this.#channel.end();
    } catch (error) {
      if (this.#isOver) return;
      this.failure = error;
      // Some jobs can use the bytes that have arrived.
      this.#send();
      this.#channel.cancel();
    }
  }

  /** The thread needs no more. */
  stop(): void {
    this.#isOver = true;
    const reason = new Error('the thread has finished');
    this.#source.stop(reason);
    this.#channel.fail(reason);
  }

  async #take(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length && !this.#isOver; ) {
      const part = chunk.subarray(at, at + pieceBytes - this.#usedBytes);
      this.#piece.set(part, this.#usedBytes);
      this.#usedBytes += part.length;
      at += part.length;
      if (this.#usedBytes === pieceBytes || this.#channel.isIdle) this.#send();
      await this.#channel.ready();
    }
  }

  #send(): void {
    if (this.#isOver || this.#usedBytes === 0) return;
    const piece = this.#piece.subarray(0, this.#usedBytes);
    this.#piece = Buffer.allocUnsafeSlow(pieceBytes);
    this.#usedBytes = 0;
    this.#channel.send(piece);
  }
}
