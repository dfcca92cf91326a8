// Sends a stream of bytes to a thread, never more ahead of it than a window.
import type { MessagePort } from 'node:worker_threads';
import type { StoppableSource } from './stoppable-source.ts';
import type { ToThread } from './thread-messages.ts';

/** How much may be on its way. */
const windowBytes = 1 << 20;
/** What is handed over at a time: telling the other thread of a piece costs as much as copying some 50 KiB. */
const pieceBytes = 256 << 10;

export class Feed {
  readonly #port: MessagePort;
  readonly #source: StoppableSource;
  /** What has not been handed over: its memory will be given away, so it is no part of a pool. */
  #piece = Buffer.allocUnsafeSlow(pieceBytes);
  #used = 0;
  /** Memory that the thread has given back. */
  readonly #spare: ArrayBuffer[] = [];
  #inFlightBytes = 0;
  #isDue = false;
  #over = false;
  #wake: (() => void) | undefined;
  /** Why the source ended early. */
  failure: unknown;

  constructor(port: MessagePort, source: StoppableSource) {
    this.#port = port;
    this.#source = source;
  }

  async run(): Promise<void> {
    try {
      for await (const chunk of this.#source.chunks()) await this.#take(chunk);
      this.#send();
      this.#post('end');
    } catch (error) {
      if (!this.#over) this.failure = error;
      // What has come is of use to some jobs.
      this.#send();
      this.#post('stop');
    }
  }

  /** The thread has used up so many bytes; `memory` is what they were in, if it gives that back. */
  taken(bytes: number, memory?: ArrayBuffer): void {
    this.#inFlightBytes -= bytes;
    if (memory !== undefined) this.#spare.push(memory);
    if (this.#inFlightBytes === 0) this.#send();
    this.#wake?.();
  }

  /** The thread needs no more. */
  stop(): void {
    this.#over = true;
    this.#source.stop(new Error('the thread has finished'));
    this.#wake?.();
  }

  async #take(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length && !this.#over; ) {
      const part = chunk.subarray(at, at + pieceBytes - this.#used);
      this.#piece.set(part, this.#used);
      this.#used += part.length;
      at += part.length;
      // While the thread is busy, small chunks wait for more; an idle one soon gets what there is.
      if (this.#used === pieceBytes) this.#send();
      else if (this.#inFlightBytes === 0) this.#sendSoon();
      while (this.#inFlightBytes >= windowBytes && !this.#over) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  /** What comes in the same turn of the event loop goes with it. */
  #sendSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      if (this.#inFlightBytes === 0) this.#send();
    });
  }

  #send(): void {
    if (this.#over || this.#used === 0) return;
    const piece = this.#piece.subarray(0, this.#used);
    const spare = this.#spare.pop();
    this.#piece = spare === undefined ? Buffer.allocUnsafeSlow(pieceBytes) : Buffer.from(spare);
    this.#used = 0;
    this.#inFlightBytes += piece.length;
    this.#port.postMessage(piece, [piece.buffer]);
  }

  #post(message: ToThread): void {
    if (!this.#over) this.#port.postMessage(message);
  }
}
