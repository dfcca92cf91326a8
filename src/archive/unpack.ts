// Extracts a compressed tar stream into a directory, in a thread of its own.
import { Readable } from 'node:stream';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { abortError } from './archive-error.ts';
import type { UnpackTotals } from './extract.ts';
import { StoppableSource } from './stoppable-source.ts';
import { type FromWorker, fromFailure, type ToWorker, type UnpackJob } from './worker-messages.ts';
import { giveBack, takeWorker } from './worker-pool.ts';

export type { UnpackTotals } from './extract.ts';

export interface UnpackOptions {
  /** The directory that nothing may leave. */
  root: string;
  /** Where to extract to: a path of the protocol, relative to `root`; made when absent. */
  dir: string;
  signal?: AbortSignal | undefined;
}

/** How much may be on its way to the thread. */
const windowBytes = 1 << 20;
/** A larger chunk is handed over in pieces, so that an abort is heard between them. */
const pieceBytes = 256 << 10;

/**
 * Extracts `source`, tar in gzip of one or more members or in zstd, into `dir` below `root`.
 *
 * Modes and times are kept, owners are not. Nothing gets its name before the whole archive has come and its
 * checksums are right: after a failure, what was there before is as it was. A Node stream is read, but not
 * destroyed when the extraction fails: it may be a request that still has to be answered.
 *
 * Throws ERR_ARCHIVE for an archive that is damaged, cut short, or leads out of its directory; ERR_PATH for `dir`;
 * ERR_LOCAL_FILE for what the file system refuses; ERR_LOST when `source` fails; ERR_ABORTED.
 */
export async function unpackTar(
  source: AsyncIterable<Uint8Array>,
  options: UnpackOptions,
): Promise<UnpackTotals> {
  const { root, dir, signal } = options;
  if (signal?.aborted) throw abortError('unpacking', signal);
  const stoppable = new StoppableSource(
    source instanceof Readable ? source.iterator({ destroyOnReturn: false }) : source,
  );
  const abort = () => {
    if (signal) stoppable.stop(abortError('unpacking', signal));
  };
  signal?.addEventListener('abort', abort);
  try {
    return await runInThread({ root, dir }, stoppable);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

async function runInThread(job: UnpackJob, source: StoppableSource): Promise<UnpackTotals> {
  const worker = takeWorker();
  const { port1: port, port2 } = new MessageChannel();
  const feed = new Feed(port, source);
  let crashed: (error: Error) => void = () => undefined;
  const result = new Promise<UnpackTotals>((resolve, reject) => {
    crashed = reject;
    port.on('message', (message: FromWorker) => {
      if ('taken' in message) feed.taken(message.taken);
      else if ('done' in message) resolve(message.done);
      else reject(fromFailure(message.failed));
    });
  });
  const ended = () => crashed(new Error('the unpacking thread ended'));
  worker.once('error', crashed).once('exit', ended);
  worker.postMessage({ job, port: port2 }, [port2]);
  try {
    const fed = feed.run();
    const totals = await result.finally(() => feed.stop());
    await fed;
    return totals;
  } catch (error) {
    // Why there was no more to read says more than what the thread made of that.
    throw feed.failure ?? error;
  } finally {
    worker.off('error', crashed).off('exit', ended);
    port.close();
    giveBack(worker);
  }
}

/** Sends the source to a thread, never more ahead of it than the window. */
class Feed {
  readonly #port: MessagePort;
  readonly #source: StoppableSource;
  #inFlightBytes = 0;
  #over = false;
  #wake: (() => void) | undefined;
  /** Why the source ended early. */
  failure: unknown;

  constructor(port: MessagePort, source: StoppableSource) {
    this.#port = port;
    this.#source = source;
  }

  async run(): Promise<void> {
    try {
      for await (const chunk of this.#source.chunks()) await this.#send(chunk);
      this.#post('end');
    } catch (error) {
      if (!this.#over) this.failure = error;
      this.#post('stop');
    }
  }

  /** The thread has used up so many bytes. */
  taken(bytes: number): void {
    this.#inFlightBytes -= bytes;
    this.#wake?.();
  }

  /** The thread needs no more. */
  stop(): void {
    this.#over = true;
    this.#source.stop(new Error('the thread has finished'));
    this.#wake?.();
  }

  async #send(chunk: Uint8Array): Promise<void> {
    for (let start = 0; start < chunk.length && !this.#over; start += pieceBytes) {
      // A copy is given away: the chunk may be a part of something larger, or its owner's.
      const piece = new Uint8Array(chunk.subarray(start, start + pieceBytes));
      this.#inFlightBytes += piece.length;
      this.#port.postMessage(piece, [piece.buffer]);
      while (this.#inFlightBytes >= windowBytes && !this.#over) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #post(message: ToWorker): void {
    if (!this.#over) this.#port.postMessage(message);
  }
}
