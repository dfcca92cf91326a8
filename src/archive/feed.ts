// Sends a stream of bytes to a thread, never more ahead of it than a window.
import type { MessagePort } from 'node:worker_threads';
import type { StoppableSource } from './stoppable-source.ts';
import type { ToThread } from './thread-messages.ts';

/** How much may be on its way. */
const windowBytes = 1 << 20;
/** A larger chunk is handed over in pieces, so that an abort is heard between them. */
const pieceBytes = 256 << 10;

export class Feed {
  readonly #port: MessagePort;
  readonly #source: StoppableSource;
  #inFlightBytes = 0;
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
      for await (const chunk of this.#source.chunks()) await this.#send(chunk);
      this.#post('end');
    } catch (error) {
      if (!this.#over) this.failure = error;
      this.#post('stop');
    }
  }

  /** The thread has used up so many bytes. */
  taken(bytes: number): void {
    this.#inFlightBytes -= bytes;
    this.#wake?.();
  }

  /** The thread needs no more. */
  stop(): void {
    this.#over = true;
    this.#source.stop(new Error('the thread has finished'));
    this.#wake?.();
  }

  async #send(chunk: Uint8Array): Promise<void> {
    for (let start = 0; start < chunk.length && !this.#over; start += pieceBytes) {
      // A copy is given away: the chunk may be a part of something larger, or its owner's.
      const piece = new Uint8Array(chunk.subarray(start, start + pieceBytes));
      this.#inFlightBytes += piece.length;
      this.#port.postMessage(piece, [piece.buffer]);
      while (this.#inFlightBytes >= windowBytes && !this.#over) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #post(message: ToThread): void {
    if (!this.#over) this.#port.postMessage(message);
  }
}
