// One HTTP/2 stream as a plain duplex of bytes, which HTTP/1.1 can be spoken over.
import { constants, type Http2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { GomoteError } from '../errors.ts';

/** How much waits in each direction, in bytes. */
const bufferBytes = 256 << 10;

/**
 * Ends, aborts and backpressure pass both ways. A stream that ends early is destroyed with ERR_LOST and what
 * `whyLost` says.
 *
 * A stream of its own, because strings written to Node's Http2Stream are freed before they are sent: through this
 * one only Buffers get there.
 */
export class ByteStream extends Duplex {
  readonly #stream: Http2Stream;

  constructor(stream: Http2Stream, whyLost: () => string) {
    super({ highWaterMark: bufferBytes });
    this.#stream = stream;
    let ended = false;
    stream.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) stream.pause();
    });
    stream.once('end', () => {
      // A stream that was reset ends too; its close tells of it.
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR || stream.aborted) return;
      ended = true;
      this.push(null);
    });
    stream.on('error', () => undefined);
    stream.once('close', () => {
      if (!ended || !this.writableFinished) this.destroy(new GomoteError('ERR_LOST', whyLost()));
    });
  }

  override _read(): void {
    this.#stream.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void) {
    this.#stream.write(chunk, done);
  }

  override _writev(
    chunks: readonly { readonly chunk: Buffer }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#stream.cork();
    chunks.forEach(({ chunk }, index) => {
      this.#stream.write(chunk, index === chunks.length - 1 ? done : undefined);
    });
    this.#stream.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#stream.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = constants;
    const whole = this.readableEnded && this.writableFinished;
    if (!this.#stream.closed) this.#stream.close(whole ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
    this.#stream.resume();
    done(error);
  }
}
