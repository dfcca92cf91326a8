// Streams from a caller. They are claimed synchronously, before anything is awaited: a stream that
// nobody listens to ends the process when it fails, and Node drops the output of a child that nobody reads.
import type { Readable, Writable } from 'node:stream';
import { GomoteError, messageOf } from '../errors.ts';
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
  const taken = takenStream(source, signal);
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

interface Taken extends AsyncIterable<Uint8Array> {
  release(): void;
}

function takenStream(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Taken {
  if (isReadable(source)) return new TakenReadable(source, signal);
  if (typeof source?.[Symbol.asyncIterator] === 'function') {
    return new TakenIterable(source, signal);
  }
  throw new GomoteError('ERR_USAGE', 'what is sent must be text, bytes or a stream of bytes');
}

const isReadable = (source: unknown): source is Readable =>
  typeof source === 'object' &&
  source !== null &&
  'read' in source &&
  typeof source.read === 'function' &&
  'on' in source &&
  typeof source.on === 'function';

/** Reads a paused stream: its bytes stay buffered until they are requested. */
class TakenReadable implements Taken {
  readonly #stream: Readable;
  readonly #signal: AbortSignal;
  #hasEnded = false;
  #failure: unknown;
  #wake: () => void = ignore;
  readonly #onChange = () => this.#wake();
  readonly #onEnd = () => {
    this.#hasEnded = true;
    this.#wake();
  };
  readonly #onError = (error: unknown) => {
    this.#failure ??= error;
    this.#wake();
  };
  readonly #onClose = () => {
    if (!this.#hasEnded) this.#failure ??= this.#stream.errored ?? new Error('it was closed');
    this.#wake();
  };

  constructor(stream: Readable, signal: AbortSignal) {
    this.#stream = stream;
    this.#signal = signal;
    stream.on('readable', this.#onChange).on('end', this.#onEnd);
    stream.on('error', this.#onError).on('close', this.#onClose);
    signal.addEventListener('abort', this.#onChange);
    if (stream.readableEnded) {
      this.#hasEnded = true;
      this.#failure = new Error('it has been read to its end already');
    } else if (stream.destroyed) this.#onClose();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#signal.aborted) throw cancelled(this.#signal);
        const piece: unknown = this.#stream.destroyed ? null : this.#stream.read();
        if (piece !== null) {
          yield bytesOf(piece);
          continue;
        }
        if (this.#failure !== undefined) throw sourceFailure(this.#failure);
        if (this.#hasEnded) return;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.release();
    }
  }

  release(): void {
    const stream = this.#stream;
    this.#signal.removeEventListener('abort', this.#onChange);
    stream.off('readable', this.#onChange).off('end', this.#onEnd);
    stream.off('error', this.#onError).off('close', this.#onClose);
    if (!this.#hasEnded) abandon(stream);
  }
}

/** Any other source of bytes, which does nothing before it is read. */
class TakenIterable implements Taken {
  readonly #source: AsyncIterable<unknown>;
  readonly #signal: AbortSignal;
  #iterator: AsyncIterator<unknown> | undefined;

  constructor(source: AsyncIterable<unknown>, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
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
          this.#iterator = undefined;
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
      return this.#source[Symbol.asyncIterator]();
    } catch (error) {
      throw sourceFailure(error);
    }
  }

  release(): void {
    // Not awaited: a source that waits for its next chunk would return only after that.
    Promise.resolve(this.#iterator?.return?.()).catch(ignore);
    this.#iterator = undefined;
  }
}

const cancelled = (signal: AbortSignal): GomoteError =>
  transportError(signal.reason, signal, 'ERR_LOST');

function sourceFailure(error: unknown): GomoteError {
  if (error instanceof GomoteError) return error;
  const message = `what is sent cannot be read: ${messageOf(error)}`;
  return new GomoteError('ERR_LOCAL_FILE', message, { cause: error });
}

function bytesOf(piece: unknown): Uint8Array {
  if (piece instanceof Uint8Array) return piece;
  if (typeof piece === 'string') return Buffer.from(piece);
  throw new GomoteError('ERR_USAGE', `what is sent must be bytes, and gave ${typeof piece}`);
}
