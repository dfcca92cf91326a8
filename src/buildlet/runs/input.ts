// The input of one session: each byte is written once, however often a client has to send it.
import type { Writable } from 'node:stream';
import { GomoteError } from '../../errors.ts';

interface InputPart {
  /** The offset of the bytes in the input; absent: at its end. */
  readonly offset: number | undefined;
  readonly end: boolean;
}

export class SessionInput {
  readonly #writer: Writable;
  #taken = 0;
  #ended = false;
  #closed = false;
  /** Stops the current part and waits for it. */
  #turn: { stop: AbortController; over: Promise<unknown> } | undefined;

  constructor(writer: Writable) {
    this.#writer = writer;
    // EPIPE: the command reads no more.
    writer.on('error', () => this.close());
  }

  get taken(): number {
    return this.#taken;
  }

  /** Whether the command accepts no more. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /**
   * Writes the new bytes of the part, as fast as the command reads. A part that arrives while another is being written
   * replaces it: the connection of the other one has broken.
   */
  async take(body: AsyncIterable<Buffer>, part: InputPart): Promise<void> {
    const before = this.#turn;
    const stop = new AbortController();
    const over = (async () => {
      before?.stop.abort();
      await before?.over;
      if (!stop.signal.aborted) await this.#takeNow(body, part, stop.signal);
    })();
    this.#turn = { stop, over: over.catch(() => undefined) };
    await over;
  }

  async #takeNow(body: AsyncIterable<Buffer>, part: InputPart, stop: AbortSignal): Promise<void> {
    let at = part.offset ?? this.#taken;
    if (at > this.#taken) {
      const message = `input for offset ${at}, but only ${this.#taken} bytes have come before`;
      throw new GomoteError('ERR_CONFLICT', message);
    }
    for await (const chunk of body) {
      if (stop.aborted) throw new GomoteError('ERR_CONFLICT', 'the same input came again');
      const fresh = chunk.subarray(Math.min(chunk.length, this.#taken - at));
      at += chunk.length;
      if (fresh.length === 0 || this.#closed) continue;
      if (this.#ended) throw new GomoteError('ERR_CONFLICT', 'the input has ended');
      this.#taken += fresh.length;
      if (!this.#writer.write(fresh)) await this.#room(stop);
    }
    if (!part.end || this.#ended || at < this.#taken) return;
    this.#ended = true;
    this.#writer.end();
  }

  async #room(stop: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#writer.off('drain', done).off('close', done);
        stop.removeEventListener('abort', done);
        resolve();
      };
      this.#writer.once('drain', done).once('close', done);
      stop.addEventListener('abort', done);
      if (this.#closed || stop.aborted) done();
    });
  }

  close(): void {
    this.#closed = true;
    this.#writer.destroy();
  }
}
