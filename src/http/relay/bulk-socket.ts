// A connection that reads in large pieces into memory it uses again and again: for bodies that are passed on as they
// come, that costs less than half of what a socket's own reading does. To all else it is a stream like any other.
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { readFirst } from '../client/read-first.ts';
import { ChunkScanner } from './chunk-scanner.ts';

type Done = (error?: Error | null) => void;

/** How much is read at once, in bytes: little at first, and four times as much whenever that was not enough. */
const leastBytes = 16 << 10;
const mostBytes = 256 << 10;

/** How much may wait to be written, in bytes: enough that neither end waits for the other at every piece. */
const aheadBytes = 512 << 10;

/** Where the frames of a chunked body go. */
interface Diversion {
  /** Takes whole frames or parts of them; true when their memory is free again, else `free` is called when it is. */
  pass(frames: Buffer, free: () => void): boolean;
  /** Called when all but the last chunk has passed, with the number of bytes of data; the last chunk is emitted as usual. */
  end(dataBytes: number): void;
}

export class BulkSocket extends Duplex {
  readonly #socket: Socket;
  #memory = Buffer.allocUnsafeSlow(leastBytes);
  /** Whether a write still needs the memory. */
  #isHeld = false;
  /** The last bytes of what may be the head of a reply, while one is looked for. */
  #headEnd: Buffer | undefined;
  #isAtBody = false;
  #diversion: Diversion | undefined;
  #scanner = new ChunkScanner();

  private constructor(where: NetConnectOpts) {
    super({ allowHalfOpen: false, writableHighWaterMark: aheadBytes });
    this.#socket = readFirst(
      connect({
        ...where,
        noDelay: true,
        keepAlive: true,
        onread: { buffer: () => this.#memory, callback: (size) => this.#take(size) },
      }),
    );
    this.#socket
      .on('timeout', () => this.emit('timeout'))
      .on('error', (error) => this.destroy(error))
      // What is read is not held back by what was read before and waits: the end comes after it.
      .on('end', () => this.push(null) || this.read(0))
      .on('close', () => this.readableLength === 0 && this.destroy());
  }

  /** Connects, or fails within the time, in ms. */
  static async connect(where: NetConnectOpts, timeoutMs: number): Promise<BulkSocket> {
    const made = new BulkSocket(where);
    const timer = setTimeout(() => made.destroy(new Error('connect timed out')), timeoutMs);
    try {
      await new Promise<void>((resolve, reject) => {
        made.#socket.once('connect', resolve);
        made.once('error', reject);
      });
      return made;
    } finally {
      clearTimeout(timer);
    }
  }

  /** From now on looks for where the head of the next reply ends; until that has been emitted nothing may be diverted. */
  expectHead(): void {
    this.#headEnd = Buffer.alloc(0);
  }

  /**
   * Sends the chunked body whose head was just emitted to the diversion instead of the readers of this stream. Returns
   * false, and diverts nothing, when a part of the body has been emitted already.
   */
  divert(diversion: Diversion): boolean {
    if (!this.#isAtBody) return false;
    this.#diversion = diversion;
    this.#scanner = new ChunkScanner();
    return true;
  }

  /** Takes what was read; whether to read on. */
  #take(size: number): boolean {
    const bytes = this.#memory.subarray(0, size);
    if (this.#diversion !== undefined) {
      if (size === this.#memory.length && size < mostBytes) {
        this.#memory = Buffer.allocUnsafeSlow(4 * size);
      }
      return this.#pass(bytes, this.#diversion);
    }
    if (this.#headEnd === undefined) return this.push(Buffer.from(bytes));
    return this.#lookForBody(bytes, this.#headEnd);
  }

  #lookForBody(bytes: Buffer, before: Buffer): boolean {
    const seen = Buffer.concat([before, bytes]);
    const end = seen.indexOf('\r\n\r\n') + 4;
    if (end < 4) {
      this.#headEnd = Buffer.from(seen.subarray(-3));
      return this.push(Buffer.from(bytes));
    }
    this.#headEnd = undefined;
    const headBytes = end - before.length;
    this.#isAtBody = true;
    const goesOn = this.push(Buffer.from(bytes.subarray(0, headBytes)));
    this.#isAtBody = false;
    const rest = bytes.subarray(headBytes);
    if (this.#diversion !== undefined) return this.#pass(rest, this.#diversion);
    return rest.length === 0 ? goesOn : this.push(Buffer.from(rest));
  }

  #pass(bytes: Buffer, diversion: Diversion): boolean {
    try {
      const { piece, passable } = this.#scanner.scan(bytes);
      if (passable > 0) {
        this.#isHeld = !diversion.pass(piece.subarray(0, passable), () => this.#goOn());
      }
      if (!this.#scanner.isOver) return !this.#isHeld;
      this.#diversion = undefined;
      // What is held stays as it is; nothing of it is read into again.
      this.#memory = Buffer.allocUnsafeSlow(leastBytes);
      this.#isHeld = false;
      diversion.end(this.#scanner.dataBytes);
      return this.push(Buffer.from(piece.subarray(passable)));
    } catch (error) {
      this.destroy(error as Error);
      return false;
    }
  }

  #goOn(): void {
    if (this.#diversion === undefined || this.destroyed) return;
    this.#isHeld = false;
    this.#socket.resume();
  }

  override _read(): void {
    if (!this.#isHeld) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#socket.write(chunk, done);
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: Done): void {
    this.#socket.cork();
    chunks.forEach(({ chunk }, i) => {
      this.#socket.write(chunk, i === chunks.length - 1 ? done : undefined);
    });
    this.#socket.uncork();
  }

  override _final(done: Done): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#socket.destroy();
    done(error);
  }

  /** As of a socket. */
  setTimeout(timeoutMs: number): this {
    this.#socket.setTimeout(timeoutMs);
    return this;
  }

  setKeepAlive(isOn: boolean, delayMs: number): this {
    this.#socket.setKeepAlive(isOn, delayMs);
    return this;
  }

  ref(): this {
    this.#socket.ref();
    return this;
  }

  unref(): this {
    this.#socket.unref();
    return this;
  }
}
