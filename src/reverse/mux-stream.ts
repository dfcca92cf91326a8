// One stream of a multiplexed connection: a duplex of bytes with credit in both directions.
import { Duplex } from 'node:stream';
import { messageOf } from '../errors.ts';
import { dataLimitBytes, initialCreditBytes } from '../protocol/frames.ts';

type Done = (error?: Error | null) => void;

/** The callbacks of a stream to its connection. */
interface Carrier {
  /** Called when the stream has something to send. */
  onReady(): void;
  /** Called when the stream is connected to its target. */
  onAccepted(): void;
  /** Called when data was read: the other end may send this many bytes more. */
  onCredit(sizeBytes: number): void;
  /** Called when the stream has ended; with a reason when it ended early. */
  onClosed(words: string | undefined): void;
}

export class MuxStream extends Duplex {
  readonly id: number;
  readonly #carrier: Carrier;
  #pending: Buffer[] = [];
  #written: Done | undefined;
  #finishing: Done | undefined;
  #creditBytes = initialCreditBytes;
  /** How much the other end may still send. */
  #grantedBytes = initialCreditBytes;
  /** Received bytes that were not yet returned as credit. */
  #owedBytes = 0;
  #isReset = false;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(id: number, carrier: Carrier) {
    super({ highWaterMark: initialCreditBytes / 4 });
    this.id = id;
    this.#carrier = carrier;
    // A lost connection must not end the program while the stream has no listener.
    this.on('error', () => undefined);
  }

  /** Like the one of a socket, for HTTP: emits `timeout` after this long without data; 0: never. */
  setTimeout(idleMs: number, listener?: () => void): this {
    clearTimeout(this.#idleTimer);
    this.#idleTimer =
      idleMs > 0 ? setTimeout(() => this.emit('timeout'), idleMs).unref() : undefined;
    if (listener !== undefined && idleMs > 0) this.once('timeout', listener);
    if (listener !== undefined && idleMs === 0) this.off('timeout', listener);
    return this;
  }

  /** Tells the other end that the stream is connected; there, it emits `connect`. */
  accept(): void {
    this.#carrier.onAccepted();
  }

  /** Whether there is something to send and credit for it. */
  get isReady(): boolean {
    if (this.destroyed) return false;
    return this.#pending.length > 0 ? this.#creditBytes > 0 : this.#finishing !== undefined;
  }

  /** The next chunk to send; undefined: the end. Call it when the stream is ready. */
  takePiece(): Buffer | undefined {
    const [first] = this.#pending;
    if (first === undefined) {
      this.#finishing?.();
      this.#finishing = undefined;
      return undefined;
    }
    this.#idleTimer?.refresh();
    const piece = first.subarray(0, Math.min(this.#creditBytes, dataLimitBytes));
    this.#creditBytes -= piece.length;
    if (piece.length < first.length) this.#pending[0] = first.subarray(piece.length);
    else this.#pending.shift();
    if (this.#pending.length === 0) this.#settle();
    return piece;
  }

  /** Whether everything has been sent. */
  #settle(): void {
    const done = this.#written;
    this.#written = undefined;
    done?.();
  }

  addCredit(sizeBytes: number): void {
    this.#creditBytes += sizeBytes;
    if (this.isReady) this.#carrier.onReady();
  }

  /** Receives data. Throws when it exceeds the credit. */
  receive(piece: Buffer): void {
    this.#grantedBytes -= piece.length;
    if (this.#grantedBytes < 0) throw new Error('more data than credit');
    this.#owedBytes += piece.length;
    this.#idleTimer?.refresh();
    this.push(piece);
  }

  receiveEnd(): void {
    this.push(null);
  }

  /** The other end, or the connection, has ended the stream. */
  receiveReset(error: Error): void {
    this.#isReset = true;
    this.destroy(error);
  }

  override _read(): void {
    // Return credit in few large steps: until then, the other end has more than half of its credit left.
    if (this.#owedBytes < initialCreditBytes / 4) return;
    const sizeBytes = this.#owedBytes;
    this.#owedBytes = 0;
    this.#grantedBytes += sizeBytes;
    this.#carrier.onCredit(sizeBytes);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#send([chunk], done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: Done): void {
    this.#send(
      chunks.map(({ chunk }) => chunk),
      done,
    );
  }

  #send(chunks: readonly Buffer[], done: Done): void {
    this.#pending = chunks.filter((chunk) => chunk.length > 0);
    this.#written = done;
    if (this.#pending.length === 0) this.#settle();
    else if (this.isReady) this.#carrier.onReady();
  }

  override _final(done: Done): void {
    this.#finishing = done;
    this.#carrier.onReady();
  }

  override _destroy(error: Error | null, done: Done): void {
    const isWhole = this.readableEnded && this.writableFinished;
    clearTimeout(this.#idleTimer);
    this.#pending = [];
    const words = isWhole || this.#isReset ? undefined : error === null ? '' : messageOf(error);
    this.#carrier.onClosed(words);
    done(error);
  }
}
