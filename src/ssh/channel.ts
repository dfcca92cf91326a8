// One channel of an SSH connection: a byte stream with a window in each direction.
import { Duplex, Writable } from 'node:stream';
import type { Protocol } from './ssh2.ts';

/** How much the client may send before it is read, in bytes. */
export const windowBytes = 2 << 20;

/** The longest piece that the client may send, in bytes. */
export const packetBytes = 32 << 10;

/** In an extended message: standard error. */
const standardError = 1;

/** What the client says of its end of a channel. */
export interface ClientEnd {
  /** The number that it gave the channel. */
  readonly id: number;
  /** How much it takes, in bytes. */
  readonly window: number;
  /** The longest piece that it takes, in bytes. */
  readonly packetSize: number;
}

interface Piece {
  rest: Buffer;
  readonly isError: boolean;
  readonly done: () => void;
}

/** Each direction ends by itself. It emits `gone` when the client has closed it, also while what it sent is not read yet. */
export class Channel extends Duplex {
  /** What a command says on standard error. */
  readonly stderr: Writable;
  readonly #protocol: Protocol;
  readonly #client: ClientEnd;
  readonly #onClosed: () => void;
  /** What waits for the window; one piece of each output at most. */
  readonly #waiting: Piece[] = [];
  #window: number;
  /** How much the client may still send. */
  #allowed = windowBytes;
  #isEnded = false;
  #hasClosed = false;

  /** @param onClosed Called when both ends have closed it. */
  constructor(protocol: Protocol, client: ClientEnd, onClosed: () => void) {
    // It is read from only when most of what came has been taken, so that the window is opened wide.
    super({ readableHighWaterMark: packetBytes, allowHalfOpen: true });
    this.#protocol = protocol;
    this.#client = client;
    this.#window = client.window;
    this.#onClosed = onClosed;
    this.stderr = new Writable({
      write: (chunk: Buffer, _encoding, done) => this.#send({ rest: chunk, isError: true, done }),
    });
    // Whoever writes learns of a client that has gone by `gone`, or by the end of the connection.
    for (const stream of [this, this.stderr]) stream.on('error', () => undefined);
  }

  /** The number by which the client knows it. */
  get clientId(): number {
    return this.#client.id;
  }

  /** Whether nothing can be sent on it any more. */
  get isClosed(): boolean {
    return this.#hasClosed;
  }

  /** What the client has sent; false when it was not allowed to. */
  receive(data: Buffer): boolean {
    this.#allowed -= data.length;
    if (this.#allowed < 0 || this.#isEnded) return false;
    if (!this.destroyed) this.push(data);
    return true;
  }

  /** The client sends no more. */
  receiveEnd(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (!this.destroyed) this.push(null);
  }

  /** The client takes that many more bytes. */
  widen(bytes: number): void {
    this.#window += bytes;
    this.#flush();
  }

  /** The client has closed it. What it sent before is still to be read; what is written is lost. */
  receiveClose(): void {
    const wasEnded = this.#isEnded;
    this.#isEnded = true;
    this.#close();
    this.#onClosed();
    for (const { done } of this.#waiting.splice(0)) done();
    if (wasEnded && !this.readableEnded) this.once('end', () => this.destroy());
    else this.destroy();
    this.emit('gone');
  }

  /** The connection is over. */
  cutOff(): void {
    this.#hasClosed = true;
    this.receiveClose();
  }

  override _read(): void {
    // What is buffered now is being taken, but for less than a packet.
    const free = windowBytes - this.#allowed;
    if (free < windowBytes / 2 || this.#isEnded) return;
    this.#allowed += free;
    this.#protocol.channelWindowAdjust(this.#client.id, free);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#send({ rest: chunk, isError: false, done });
  }

  override _final(done: () => void): void {
    if (!this.#hasClosed) this.#protocol.channelEOF(this.#client.id);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#close();
    this.#waiting.length = 0;
    this.stderr.destroy();
    done(error);
  }

  #close(): void {
    if (this.#hasClosed) return;
    this.#hasClosed = true;
    this.#protocol.channelClose(this.#client.id);
  }

  #send(piece: Piece): void {
    this.#waiting.push(piece);
    this.#flush();
  }

  #flush(): void {
    for (let piece = this.#waiting[0]; piece !== undefined; piece = this.#waiting[0]) {
      const { id, packetSize } = this.#client;
      while (piece.rest.length > 0 && !this.#hasClosed) {
        if (this.#window === 0) return;
        const part = piece.rest.subarray(0, Math.min(this.#window, Math.max(packetSize, 1)));
        if (piece.isError) this.#protocol.channelExtData(id, part, standardError);
        else this.#protocol.channelData(id, part);
        this.#window -= part.length;
        piece.rest = piece.rest.subarray(part.length);
      }
      this.#waiting.shift();
      piece.done();
    }
  }
}
