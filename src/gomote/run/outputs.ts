// The output of a command: kept as text up to a limit, and forwarded to readers.
import { Readable, Writable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { LogOutputs } from '../../client/runs/log-outputs.ts';
import { GomoteError } from '../../errors.ts';

/** One of the streams; `all`: both, in order of arrival. */
export type OutputName = 'stdout' | 'stderr' | 'all';

const outputNames: readonly OutputName[] = ['stdout', 'stderr', 'all'];

/** Writes a chunk; resolves when it can accept more. */
type Take = (chunk: Buffer) => Promise<void>;

interface Kept {
  readonly chunks: Buffer[];
  bytes: number;
}

export class Outputs {
  /** The sinks for the output of the command. */
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

  /** Whether one of the outputs was longer than what is kept. */
  get isTruncated(): boolean {
    return Object.values(this.#kept).some(({ bytes }) => bytes > this.#maxBuffer);
  }

  text(name: 'stdout' | 'stderr'): string {
    return Buffer.concat(this.#kept[name].chunks).toString();
  }

  /** Also writes to the stream, with backpressure. The stream is not ended. */
  copyTo(from: OutputName, stream: Writable): void {
    const take = (chunk: Buffer) =>
      new Promise<void>((resolve, reject) => {
        stream.write(chunk, (error) => (error ? reject(stream.errored ?? error) : resolve()));
      });
    this.#takers.push({ from, take });
  }

  /** A stream of the output from now on. A slow reader slows the command; a destroyed one does not. */
  read(from: OutputName): Readable {
    if (!outputNames.includes(from)) {
      throw new GomoteError('ERR_USAGE', `the output must be one of ${outputNames.join(', ')}`);
    }
    const tap = new Tap();
    this.#taps.push(tap);
    this.#takers.push({ from, take: (chunk) => tap.give(chunk) });
    if (this.#end !== undefined) tap.finish(this.#end.error);
    return tap;
  }

  /** Ends the readers; with an error, they fail with it. */
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
    // The last write of a cancelled run may fail when nobody awaits it any more.
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

/** Shows each chunk to `take`, as standard output, and then writes it to the stream. */
export function through(take: NonNullable<LogOutputs['edit']>, output: Writable): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      take(chunk, 'stdout', undefined);
      output.write(chunk, (error) => done(error && (output.errored ?? error)));
    },
  });
}

/** A readable stream that reports when it can accept more. */
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
    // A reader need not listen for errors: the run reports them too.
    if (this.listenerCount('error') === 0) this.on('error', () => undefined);
    this.destroy(error);
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Yields lines without their line ends, `\n` or `\r\n`; the last line need not have one. */
export async function* linesOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new StringDecoder();
  let open = '';
  for await (const chunk of source) {
    const parts = decoder.write(Buffer.from(chunk)).split('\n');
    parts[0] = open + parts[0];
    open = parts.pop() ?? '';
    for (const line of parts) yield line.endsWith('\r') ? line.slice(0, -1) : line;
  }
  open += decoder.end();
  if (open !== '') yield open;
}
