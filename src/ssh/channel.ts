// One channel of an SSH connection: a byte stream with a window in each direction.
import { Duplex, Writable } from 'node:stream';
import type { Protocol } from './ssh2.ts';

/** The receive window, in bytes. */
export const windowBytes = 2 << 20;

/** The maximum packet size that the client may send, in bytes. */
export const packetBytes = 32 << 10;

/** The type of extended data that is standard error. */
const standardError = 1;

/** The client's end of a channel. */
interface ClientEnd {
  /** The client's number for the channel. */
  readonly id: number;
  /** The client's receive window, in bytes. */
  readonly window: number;
  /** The maximum packet size that the client accepts, in bytes. */
  readonly packetSize: number;
}

interface Piece {
  rest: Buffer;
  readonly isError: boolean;
  readonly done: () => void;
}

/** A half-open stream. It emits `gone` when the client has closed it, even while received data has not been read. */
export class Channel extends Duplex {
  /** Standard error of the command. */
  readonly stderr: Writable;
  readonly #protocol: Protocol;
  readonly #client: ClientEnd;
  readonly #onClosed: () => void;
  /** Writes that wait for the window; at most one of each output. */
  readonly #waiting: Piece[] = [];
  #window: number;
  /** The remaining receive window. */
  #allowed = windowBytes;
  #isEnded = false;
  #hasClosed = false;

  /** @param onClosed Called when both ends have closed it. */
  constructor(protocol: Protocol, client: ClientEnd, onClosed: () => void) {
    // Extend the window only when most of the data has been read: few large adjustments.
    super({ readableHighWaterMark: packetBytes, allowHalfOpen: true });
    this.#protocol = protocol;
    this.#client = client;
    this.#window = client.window;
    this.#onClosed = onClosed;
    this.stderr = new Writable({
      write: (chunk: Buffer, _encoding, done) => this.#send({ rest: chunk, isError: true, done }),
    });
    // Writers learn that the client is gone by `gone`, or by the end of the connection.
    for (const stream of [this, this.stderr]) stream.on('error', () => undefined);
  }

  /** The client's number for this channel. */
  get clientId(): number {
    return this.#client.id;
  }

  /** Whether nothing more can be sent. */
  get isClosed(): boolean {
    return this.#hasClosed;
  }

  /** Handles data from the client; false when the client exceeded the window. */
  receive(data: Buffer): boolean {
    this.#allowed -= data.length;
    if (this.#allowed < 0 || this.#isEnded) return false;
    if (!this.destroyed) this.push(data);
    return true;
  }

  /** The client has sent its last data. */
  receiveEnd(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    if (!this.destroyed) this.push(null);
  }

  /** The client has extended its window by this many bytes. */
  widen(bytes: number): void {
    this.#window += bytes;
    this.#flush();
  }

  /** The client has closed the channel. Received data can still be read; written data is lost. */
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

  /** The connection has ended. */
  cutOff(): void {
    this.#hasClosed = true;
    this.receiveClose();
  }

  override _read(): void {
    // The data that is buffered now is being read, except for less than a packet.
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
