// The input and the two demultiplexed outputs of a process in a container, as one byte stream.
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { lastLine } from '../../printable.ts';

/** The header of each frame: the output, three zeros, and the size. */
const headerBytes = 8;
const stdoutStream = 1;

/** How much of the process's standard error is kept, in characters. */
const saidLimit = 2_000;

interface Hijacked {
  readonly socket: Duplex;
  /** Bytes that arrived with the reply's header. */
  readonly head: Buffer;
}

export class ExecStream extends Duplex {
  readonly #socket: Duplex;
  #header: Buffer = Buffer.alloc(0);
  /** The remaining bytes of the current frame. */
  #leftBytes = 0;
  #isStdout = false;
  #said = '';
  #hasOutput = false;

  constructor({ socket, head }: Hijacked) {
    super();
    this.#socket = socket;
    socket.on('error', (error) => this.destroy(error));
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.once('end', () => this.#end());
    socket.once('close', () => this.#end());
    if (head.length > 0) this.#take(head);
  }

  ref(): this {
    if (this.#socket instanceof Socket) this.#socket.ref();
    return this;
  }

  unref(): this {
    if (this.#socket instanceof Socket) this.#socket.unref();
    return this;
  }

  /** The standard error of the process, or a message of the engine. */
  get said(): string {
    return this.#said;
  }

  #take(chunk: Buffer): void {
    let rest = chunk;
    let isFull = false;
    while (rest.length > 0) {
      if (this.#leftBytes === 0) {
        const missing = headerBytes - this.#header.length;
        this.#header = Buffer.concat([this.#header, rest.subarray(0, missing)]);
        rest = rest.subarray(missing);
        if (this.#header.length < headerBytes) break;
        this.#isStdout = this.#header[0] === stdoutStream;
        this.#leftBytes = this.#header.readUInt32BE(4);
        this.#header = Buffer.alloc(0);
        continue;
      }
      const piece = rest.subarray(0, this.#leftBytes);
      rest = rest.subarray(piece.length);
      this.#leftBytes -= piece.length;
      if (this.#isStdout) {
        this.#hasOutput = true;
        if (!this.push(piece)) isFull = true;
      } else {
        this.#said = (this.#said + piece.toString()).slice(-saidLimit);
      }
    }
    if (isFull) this.#socket.pause();
  }

  #end(): void {
    if (this.destroyed || this.readableEnded) return;
    // A process that could not start or connect has nothing on standard output.
    if (this.#hasOutput) this.push(null);
    else this.destroy(new Error(lastLine(this.#said) ?? 'the connection ended before a reply'));
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void) {
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
