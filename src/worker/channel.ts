// One end of a job's channel: bytes and messages in both directions.
import type { MessagePort } from 'node:worker_threads';
import { GomoteError } from '../errors.ts';
import type { ChannelMessage } from './messages.ts';

/** How many bytes may be sent before the other end has consumed them. */
const windowBytes = 1 << 20;

/** Smaller buffers may share memory in Node's pool. */
const pooledBytes = 64 << 10;

export class Channel<Sent, Received = never> {
  readonly #port: MessagePort;
  readonly #incoming: (Uint8Array | 'end')[] = [];
  #inFlightBytes = 0;
  #failure: Error | undefined;
  #wakers: (() => void)[] = [];
  /** Called when the other end has consumed everything. */
  onIdle: () => void = () => undefined;

  constructor(port: MessagePort, onMessage: (message: Received) => void = () => undefined) {
    this.#port = port;
    port.on('message', (received: ChannelMessage<Received>) => {
      if (received === 'cancel') this.fail(new GomoteError('ERR_LOST', 'the connection was lost'));
      else if (received === 'end' || received instanceof Uint8Array) this.#incoming.push(received);
      else if ('message' in received) onMessage(received.message);
      else this.#addCredit(received.credit);
      this.#wake();
    });
  }

  /** Whether the other end has consumed everything. */
  get isIdle(): boolean {
    return this.#inFlightBytes === 0;
  }

  post(message: Sent): void {
    this.#post({ message });
  }

  /** Transfers bytes, whose buffer must not be used afterwards. */
  send(piece: Buffer): void {
    const { buffer, byteOffset, byteLength } = piece;
    this.#inFlightBytes += byteLength;
    if (buffer instanceof ArrayBuffer && byteOffset === 0 && byteLength > pooledBytes) {
      this.#post(piece, [buffer]);
    } else {
      this.#post(new Uint8Array(piece));
    }
  }

  async ready(): Promise<void> {
    while (this.#inFlightBytes >= windowBytes) {
      this.throwIfFailed();
      await this.#change();
    }
  }

  end(): void {
    this.#post('end');
  }

  /** Makes the other end fail with ERR_LOST. What was sent before can still be read there. */
  cancel(): void {
    this.#post('cancel');
  }

  /** Makes this end fail, after received data was read. The first error is kept. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** The bytes of the other end. A chunk counts as consumed when the next one is requested. */
  async *receive(): AsyncGenerator<Buffer> {
    for (;;) {
      const piece = this.#incoming.shift();
      if (piece === 'end') return;
      if (piece === undefined) {
        this.throwIfFailed();
        await this.#change();
        continue;
      }
      const { length } = piece;
      yield Buffer.from(piece.buffer, piece.byteOffset, length);
      this.#post({ credit: length });
    }
  }

  /** Handles messages during long synchronous work. Throws when the other end has cancelled. */
  async turn(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.throwIfFailed();
  }

  close(): void {
    this.#port.close();
  }

  #addCredit(bytes: number): void {
    this.#inFlightBytes -= bytes;
    if (this.isIdle) this.onIdle();
  }

  #post(message: ChannelMessage<Sent>, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wakers.push(resolve);
    });
  }

  #wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }
}
