// Standard streams that leave the descriptors' flags alone. Node makes pipes and sockets
// non-blocking for every program that shares them, such as the other jobs of a make, whose writes then fail.
import { constants, fstatSync, openSync, write, writeSync } from 'node:fs';
import { type Readable, Writable } from 'node:stream';
import { errnoOf, GomoteError } from '../errors.ts';
import { errnoText } from '../protocol/process-state.ts';

/** How long to wait when another program has made the descriptor non-blocking and it is full, in ms. */
const fullWaitMs = 5;

const names: Readonly<Record<number, string>> = { 1: 'standard output', 2: 'standard error' };

const opened = new Map<number, Writable>();

/** Standard output (1) or error (2); always the same stream. */
export function outputStream(fd: 1 | 2, isClosed = false): Writable {
  const known = opened.get(fd);
  if (known !== undefined) return known;
  const stream = isClosed ? new DescriptorWriter(fd, 'closed') : openOutput(fd);
  opened.set(fd, stream);
  return stream;
}

/** Whether some of standard output has not been written yet. */
export const isOutputPending = (): boolean => (opened.get(1)?.writableLength ?? 0) > 0;

/** Resolves when standard error has been written, or after the time limit. */
export async function stderrWritten(withinMs: number): Promise<void> {
  const stream = opened.get(2);
  if (stream === undefined || stream.writableLength === 0) return;
  await new Promise<void>((resolve) => {
    const late = setTimeout(resolve, withinMs);
    stream.write('', () => {
      clearTimeout(late);
      resolve();
    });
  });
}

function openOutput(fd: 1 | 2): Writable {
  const own = () => (fd === 1 ? process.stdout : process.stderr);
  if (process.platform === 'win32') return own();
  const stats = fstatSync(fd);
  // libuv reopens a terminal.
  if (stats.isCharacterDevice() && isTerminal(fd)) return own();
  return new DescriptorWriter(fd, stats.isFIFO() || stats.isSocket() ? 'slow' : 'fast');
}

/** Loaded only for a terminal: most commands in scripts have none. */
export const isTerminal = (fd: number): boolean => process.getBuiltinModule('node:tty').isatty(fd);

/** Standard input. */
export function inputStream(): Readable & { isTTY?: boolean } {
  const fd = process.platform === 'linux' && fstatSync(0).isFIFO() ? reopenStdin() : undefined;
  if (fd === undefined) return process.stdin;
  const { Socket } = process.getBuiltinModule('node:net');
  return new Socket({ fd, readable: true, writable: false });
}

/** The pipe on standard input, opened again, so that flags set on it do not affect others. */
function reopenStdin(): number | undefined {
  try {
    return openSync('/proc/self/fd/0', constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    // There is no /proc, or the pipe is another user's.
    return undefined;
  }
}

/** Writes to a descriptor: in a thread where that may block, otherwise directly. */
class DescriptorWriter extends Writable {
  readonly #fd: number;
  readonly #kind: 'closed' | 'slow' | 'fast';

  constructor(fd: number, kind: 'closed' | 'slow' | 'fast') {
    super({ highWaterMark: 64 << 10, autoDestroy: true });
    this.#fd = fd;
    this.#kind = kind;
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    if (chunk.length === 0) done();
    else if (this.#kind === 'closed') done(this.#failure({ code: 'EBADF' }));
    else if (this.#kind === 'fast') this.#writeAtOnce(chunk, done);
    else this.#writeInThread(chunk, done);
  }

  #writeAtOnce(chunk: Buffer, done: (error?: Error) => void): void {
    try {
      for (let at = 0; at < chunk.length; ) at += writeSync(this.#fd, chunk, at);
    } catch (error) {
      done(this.#failure(error));
      return;
    }
    done();
  }

  #writeInThread(chunk: Buffer, done: (error?: Error) => void): void {
    write(this.#fd, chunk, (error, count) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#writeInThread(chunk, done), fullWaitMs);
      } else if (error) done(this.#failure(error));
      else if (count < chunk.length) this.#writeInThread(chunk.subarray(count), done);
      else done();
    });
  }

  /** Adds the name of the stream to every error but EPIPE. */
  #failure(error: unknown): Error {
    const errno = errnoOf(error) ?? String(error);
    if (errno === 'EPIPE' && error instanceof Error) return error;
    const reason = this.#kind === 'closed' ? 'it is closed' : errnoText(errno);
    return new GomoteError('ERR_LOCAL_FILE', `${names[this.#fd]}: ${reason}`, { cause: error });
  }
}
