// One of the many streams that a connection carries: a duplex of bytes with credit in both directions.
import { Duplex } from 'node:stream';
import { messageOf } from '../errors.ts';
import { dataLimitBytes, initialCreditBytes } from '../protocol/frames.ts';

type Done = (error?: Error | null) => void;

/** What a stream tells the connection that carries it. */
interface Carrier {
  /** The stream has something to send. */
  onReady(stream: MuxStream): void;
  /** The stream leads where the other end asked for. */
  onAccepted(stream: MuxStream): void;
  /** What came was read: the other end may send this many bytes more. */
  onCredit(stream: MuxStream, sizeBytes: number): void;
  /** The stream is over; with words: before its end. */
  onClosed(stream: MuxStream, words: string | undefined): void;
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
  /** How much came that was not given back as credit. */
  #owedBytes = 0;
  #isReset = false;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(id: number, carrier: Carrier) {
    super({ highWaterMark: initialCreditBytes / 4 });
    this.id = id;
    this.#carrier = carrier;
    // A connection that is lost while nobody holds the stream is no reason for the program to end.
    this.on('error', () => undefined);
  }

  /** As of a socket, which both ends of HTTP ask for: emits `timeout` after so long without data; 0: never. */
  setTimeout(idleMs: number, listener?: () => void): this {
    clearTimeout(this.#idleTimer);
    this.#idleTimer =
      idleMs > 0 ? setTimeout(() => this.emit('timeout'), idleMs).unref() : undefined;
    if (listener !== undefined && idleMs > 0) this.once('timeout', listener);
    if (listener !== undefined && idleMs === 0) this.off('timeout', listener);
    return this;
  }

  /** Tells the other end that the stream leads where it asked for; there, it emits `connect`. */
  accept(): void {
    this.#carrier.onAccepted(this);
  }

  /** Whether there is something that may be sent now. */
  get isReady(): boolean {
    if (this.destroyed) return false;
    return this.#pending.length > 0 ? this.#creditBytes > 0 : this.#finishing !== undefined;
  }

  /** The next piece to send; undefined: the end. To be called when it is ready. */
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

  /** All that was written is on its way. */
  #settle(): void {
    const done = this.#written;
    this.#written = undefined;
    done?.();
  }

  addCredit(sizeBytes: number): void {
    this.#creditBytes += sizeBytes;
    if (this.isReady) this.#carrier.onReady(this);
  }

  /** Takes what came; throws when it is more than there was credit for. */
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
    // In few large pieces: while less is owed, the other end has more than half of its credit left.
    if (this.#owedBytes < initialCreditBytes / 4) return;
    const sizeBytes = this.#owedBytes;
    this.#owedBytes = 0;
    this.#grantedBytes += sizeBytes;
    this.#carrier.onCredit(this, sizeBytes);
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
    else if (this.isReady) this.#carrier.onReady(this);
  }

  override _final(done: Done): void {
    this.#finishing = done;
    this.#carrier.onReady(this);
  }

  override _destroy(error: Error | null, done: Done): void {
    const isWhole = this.readableEnded && this.writableFinished;
    clearTimeout(this.#idleTimer);
    this.#pending = [];
    const words = isWhole || this.#isReset ? undefined : error === null ? '' : messageOf(error);
    this.#carrier.onClosed(this, words);
    done(error);
  }
}
