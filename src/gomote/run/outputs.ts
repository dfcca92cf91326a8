// What a command writes: kept as text up to a limit, and passed on to whoever reads it.
import { Readable, Writable } from 'node:stream';

/** Which of the two streams; `all`: both, as they came. */
export type OutputName = 'stdout' | 'stderr' | 'all';

/** Takes a piece; resolves when it can take more. */
type Take = (chunk: Buffer) => Promise<void>;

interface Kept {
  readonly chunks: Buffer[];
  bytes: number;
}

/** The outputs of one run. */
export class Outputs {
  /** Where the command's output is to be written. */
  readonly stdout = this.#writable('stdout');
  readonly stderr = this.#writable('stderr');
  readonly #maxBuffer: number;
  readonly #kept: Record<'stdout' | 'stderr', Kept> = {
    stdout: { chunks: [], bytes: 0 },
    stderr: { chunks: [], bytes: 0 },
  };
  readonly #takers: { readonly from: OutputName; readonly take: Take }[] = [];
  readonly #taps: Tap[] = [];
  #end: { readonly error: Error | undefined } | undefined;

  constructor(maxBuffer: number) {
    this.#maxBuffer = maxBuffer;
  }

  /** Whether more was written to one of them than is kept. */
  get isTruncated(): boolean {
    return Object.values(this.#kept).some(({ bytes }) => bytes > this.#maxBuffer);
  }

  text(name: 'stdout' | 'stderr'): string {
    return Buffer.concat(this.#kept[name].chunks).toString();
  }

  /** Writes to the stream as well, and waits for it. It is not ended. */
  copyTo(from: OutputName, stream: Writable): void {
    const take = (chunk: Buffer) =>
      new Promise<void>((resolve, reject) => {
        stream.write(chunk, (error) => (error ? reject(stream.errored ?? error) : resolve()));
      });
    this.#takers.push({ from, take });
  }

  /** A stream of what is written from now on. A slow reader slows the command; one that is destroyed does not. */
  read(from: OutputName): Readable {
    const tap = new Tap();
    this.#taps.push(tap);
    this.#takers.push({ from, take: (chunk) => tap.give(chunk) });
    if (this.#end !== undefined) tap.finish(this.#end.error);
    return tap;
  }

  /** There is no more; with an error, readers fail with it. */
  end(error?: Error): void {
    this.#end = { error };
    for (const tap of this.#taps) tap.finish(error);
  }

  #writable(name: 'stdout' | 'stderr'): Writable {
    const writable = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        this.#keep(name, chunk);
        const takers = this.#takers.filter(({ from }) => from === name || from === 'all');
        Promise.all(takers.map(({ take }) => take(chunk))).then(() => done(), done);
      },
    });
    // What a run that was cancelled wrote last may fail when nobody reads the run any more.
    writable.on('error', () => undefined);
    return writable;
  }

  #keep(name: 'stdout' | 'stderr', chunk: Buffer): void {
    const kept = this.#kept[name];
    const room = this.#maxBuffer - kept.bytes;
    kept.bytes += chunk.length;
    if (room > 0) kept.chunks.push(Buffer.from(chunk.subarray(0, room)));
  }
}

/** A stream to read from, which says when it can take more. */
class Tap extends Readable {
  #waiting: (() => void)[] = [];

  override _read(): void {
    this.#wake();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wake();
    done(error);
  }

  async give(chunk: Buffer): Promise<void> {
    if (this.destroyed || this.push(chunk)) return;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  finish(error: Error | undefined): void {
    if (this.destroyed) return;
    if (error === undefined) return void this.push(null);
    // Not everybody who takes a stream listens for its failure: the run itself tells it too.
    if (this.listenerCount('error') === 0) this.on('error', () => undefined);
    this.destroy(error);
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
