// A connection that reads large chunks into reused buffers: for bodies that are relayed unchanged,
// this costs less than half of a socket's own reading. Otherwise it is an ordinary stream.
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { openSocket } from '../client/open-socket.ts';
import { readFirst } from '../client/read-first.ts';
import { type ServerAddress, withoutBrackets } from '../client/server-address.ts';
import { ChunkScanner } from './chunk-scanner.ts';

type Done = (error?: Error | null) => void;

/** The read sizes, in bytes: small at first, four times larger whenever a read fills the buffer. */
const leastBytes = 16 << 10;
const mostBytes = 256 << 10;

/** How much may wait to be written, in bytes: enough that the two ends do not wait for each other at every chunk. */
const aheadBytes = 512 << 10;

/** The time limit for connecting, in ms. */
const connectTimeoutMs = 10_000;

/** Receives the frames of a chunked body. */
interface Diversion {
  /** Receives whole or partial frames. Returns true when the buffer may be reused; otherwise `free` is called later. */
  pass(frames: Buffer, free: () => void): boolean;
  /** Called after all but the last chunk, with the number of data bytes. The last chunk is emitted as usual. */
  end(dataBytes: number): void;
}

export class BulkSocket extends Duplex {
  readonly #socket: Socket;
  #memory = Buffer.allocUnsafeSlow(leastBytes);
  /** Whether a write still uses the buffer. */
  #isHeld = false;
  /** The last bytes, while searching for the end of a reply's head. */
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
      // Read on although earlier data is still waiting: the end is emitted after it.
      .on('end', () => this.push(null) || this.read(0))
      .on('close', () => this.readableLength === 0 && this.destroy());
  }

  static async connect(where: NetConnectOpts): Promise<BulkSocket> {
    const made = new BulkSocket(where);
    const late = () => made.destroy(new Error('connect timed out'));
    const timer = setTimeout(late, connectTimeoutMs);
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

  /** Starts to search for the end of the next reply's head. Nothing may be diverted before that has been emitted. */
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

  /** Handles what was read. Returns whether to read on. */
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
      // A buffer that is still in use must not be read into.
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

  /** Like the one of a socket. */
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

/** Like `openSocket`, with a `BulkSocket` where there is no TLS. */
export async function openBulk(address: ServerAddress, signal?: AbortSignal): Promise<Duplex> {
  if (address.kind === 'unix') return await BulkSocket.connect({ path: address.path });
  const url = address.kind === 'tcp' ? new URL(address.origin) : undefined;
  if (url?.protocol !== 'http:') return await openSocket(address, signal);
  const host = withoutBrackets(url.hostname);
  return await BulkSocket.connect({ host, port: Number(url.port || 80) });
}
