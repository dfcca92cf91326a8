// Streams from a caller. They are claimed synchronously, before anything is awaited: a stream that
// nobody listens to ends the process when it fails, and Node drops the output of a child that nobody reads.
import type { Readable, Writable } from 'node:stream';
import { errnoOf, GomoteError, messageOf } from '../errors.ts';
import { type RequestBody, transportError } from '../http/client/request.ts';

/**
 * Calls `use` with the source, which is buffered from now on. A stream is destroyed at the end unless all of it
 * was read, even if `signalOf` throws. Reading fails with ERR_LOCAL_FILE when the source does, and ends when the signal
 * aborts, even while the source is silent.
 *
 * @throws GomoteError ERR_USAGE when the source is not text, bytes or a stream of bytes.
 */
export async function withSource<Result>(
  source: RequestBody,
  signalOf: () => AbortSignal,
  use: (source: RequestBody, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  if (typeof source === 'string' || source instanceof Uint8Array) {
    return await use(source, signalOf());
  }
  return await withStream(source, signalOf, use);
}

/** Like {@link withSource}, for streams only. */
export async function withStream<Result>(
  source: AsyncIterable<Uint8Array>,
  signalOf: () => AbortSignal,
  use: (source: AsyncIterable<Uint8Array>, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  let signal: AbortSignal;
  try {
    signal = signalOf();
  } catch (error) {
    abandon(source);
    throw error;
  }
  const taken = new Taken(source, signal);
  try {
    return await use(taken, signal);
  } finally {
    taken.release();
  }
}

/** Calls `use` while listening for failures of the outputs, which are found in each output's `errored`. */
export async function withOutputs<Result>(
  outputs: readonly (Writable | undefined)[],
  use: () => Promise<Result>,
): Promise<Result> {
  const held = [...new Set(outputs)].filter((output) => output !== undefined);
  for (const output of held) output.on('error', ignore);
  try {
    return await use();
  } finally {
    for (const output of held) releaseOutput(output);
  }
}

/** The failure of an output that accepts no more data; undefined while it does. */
export function outputFailure(output: Writable): Error | undefined {
  if (!output.destroyed) return undefined;
  return output.errored ?? closedOutput();
}

/** The error of writing to an output that was closed without an error. */
export const closedOutput = (): GomoteError =>
  new GomoteError('ERR_LOCAL_FILE', 'the output was closed');

function releaseOutput(output: Writable & { readonly pending?: boolean }): void {
  const leave = () => void output.off('error', ignore);
  // A failed stream may report its error only when it is closed.
  if (output.errored || output.destroyed)
    return void (output.closed ? leave() : output.once('close', leave));
  // A file that is still being opened may fail to open.
  if (output.pending === true) output.once('ready', leave);
  else leave();
}

const ignore = (): void => undefined;

/** Destroys an unused stream and ignores its errors. */
function abandon(source: unknown): void {
  if (!isReadable(source)) return;
  if (!source.listeners('error').includes(ignore)) source.on('error', ignore);
  source.destroy();
}

const isReadable = (source: unknown): source is Readable =>
  typeof source === 'object' &&
  source !== null &&
  'read' in source &&
  typeof source.read === 'function' &&
  'on' in source &&
  typeof source.on === 'function';

/** A claimed source of bytes: a stream keeps its bytes until they are requested, any other does nothing before it is read. */
class Taken {
  readonly #source: AsyncIterable<unknown>;
  readonly #signal: AbortSignal;
  #iterator: AsyncIterator<unknown> | undefined;
  #isRead = false;

  constructor(source: AsyncIterable<unknown>, signal: AbortSignal) {
    if (typeof source?.[Symbol.asyncIterator] !== 'function') {
      throw new GomoteError('ERR_USAGE', 'what is sent must be text, bytes or a stream of bytes');
    }
    this.#source = source;
    this.#signal = signal;
    if (isReadable(source)) source.on('error', ignore).on('readable', ignore);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const signal = this.#signal;
    let stop: () => void = ignore;
    const onAbort = () => stop();
    signal.addEventListener('abort', onAbort);
    try {
      const iterator = this.#begin();
      this.#iterator = iterator;
      for (;;) {
        if (signal.aborted) throw cancelled(signal);
        const step = await new Promise<IteratorResult<unknown>>((resolve, reject) => {
          stop = () => reject(cancelled(signal));
          const fail = (error: unknown) => reject(sourceFailure(error));
          try {
            iterator.next().then(resolve, fail);
          } catch (error) {
            fail(error);
          }
        });
        if (step.done === true) {
          this.#isRead = true;
          return;
        }
        yield bytesOf(step.value);
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.release();
    }
  }

  #begin(): AsyncIterator<unknown> {
    try {
      if (isReadable(this.#source) && this.#source.readableEnded) {
        throw new Error('it has been read to its end already');
      }
      return this.#source[Symbol.asyncIterator]();
    } catch (error) {
      throw sourceFailure(error);
    }
  }

  release(): void {
    // Not awaited: a source that waits for its next chunk would return only after that.
    if (!this.#isRead) Promise.resolve(this.#iterator?.return?.()).catch(ignore);
    this.#iterator = undefined;
    if (!isReadable(this.#source)) return;
    this.#source.off('readable', ignore);
    if (!this.#isRead) abandon(this.#source);
    else this.#source.off('error', ignore);
  }
}

const cancelled = (signal: AbortSignal): GomoteError =>
  transportError(signal.reason, signal, 'ERR_LOST');

function sourceFailure(error: unknown): GomoteError {
  if (error instanceof GomoteError) return error;
  const isClosed = errnoOf(error) === 'ERR_STREAM_PREMATURE_CLOSE';
  const message = `what is sent cannot be read: ${isClosed ? 'it was closed' : messageOf(error)}`;
  return new GomoteError('ERR_LOCAL_FILE', message, { cause: error });
}

function bytesOf(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  if (typeof piece === 'string') return Buffer.from(piece);
  throw new GomoteError('ERR_USAGE', `what is sent must be bytes, and gave ${typeof piece}`);
}
