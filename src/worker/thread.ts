// Work in a thread of its own, so that the event loop stays free.
import { join } from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { GomoteError, messageOf } from '../errors.ts';
import { packageRoot } from '../package-root.ts';
import { Channel } from './channel.ts';
import { Feed } from './feed.ts';
import { type FromThread, fromFailure } from './messages.ts';
import type { StoppableSource } from './stoppable-source.ts';

interface JobOptions<Event> {
  readonly source?: StoppableSource;
  /** Cancels the job, even after it has read everything. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: Event) => void;
}

/**
 * A thread that runs the jobs of one program, which is written with `serveJobs` and built by scripts/build-workers.js.
 * It starts with the first job, and again with the first one after it has died. It keeps no process alive.
 */
export class Thread<Job> {
  readonly #program: string;
  readonly #workerData: unknown;
  #worker: Worker | undefined;

  constructor(program: string, workerData?: unknown) {
    this.#program = program;
    this.#workerData = workerData;
  }

  /** Runs a job with one result. Fails as its source does, or as the job does; ERR_CLOSED when the thread ends. */
  async run<Result, Event = never>(
    job: Job,
    { source, signal, onEvent }: JobOptions<Event> = {},
  ): Promise<Result> {
    const { channel, result, causeOf, end } = this.#start<Result, Event>(job, source, onEvent);
    const cancel = () => channel.cancel();
    signal?.addEventListener('abort', cancel);
    try {
      return await result;
    } catch (error) {
      throw causeOf(error);
    } finally {
      signal?.removeEventListener('abort', cancel);
      await end();
    }
  }

  /** Runs a job that returns bytes, perhaps of those that it reads. Fails as its source does, else as the job. */
  async *read(job: Job, source?: StoppableSource): AsyncGenerator<Buffer> {
    const { channel, result, causeOf, end } = this.#start<void, never>(job, source);
    // `receive` throws it.
    result.catch(() => undefined);
    try {
      yield* channel.receive();
    } catch (error) {
      throw causeOf(error);
    } finally {
      channel.cancel();
      await end();
    }
  }

  /** Ends the thread. Running jobs fail with ERR_CLOSED. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start<Result, Event>(
    job: Job,
    source: StoppableSource | undefined,
    onEvent: (event: Event) => void = () => undefined,
  ) {
    this.#worker ??= this.#spawn();
    const worker = this.#worker;
    const { port1, port2 } = new MessageChannel();
    let fail: (error: Error) => void = () => undefined;
    let done: (result: Result) => void = () => undefined;
    const result = new Promise<Result>((resolve, reject) => {
      done = resolve;
      fail = reject;
    });
    const channel = new Channel<never, FromThread<Result, Event>>(port1, (message) => {
      if ('event' in message) onEvent(message.event);
      else if ('done' in message) done(message.done);
      else failed(fromFailure(message.failed));
    });
    const failed = (error: Error) => {
      fail(error);
      channel.fail(error);
    };
    const ended = (cause?: unknown) => {
      const why = cause instanceof Error ? `: ${messageOf(cause)}` : '';
      failed(new GomoteError('ERR_CLOSED', `the thread has ended${why}`, { cause }));
    };
    worker.once('error', ended).once('exit', ended);
    worker.postMessage({ job, port: port2 }, [port2]);
    const feed = source && new Feed(channel, source);
    const fed = feed?.run();
    const end = async () => {
      feed?.stop();
      await fed;
      worker.off('error', ended).off('exit', ended);
      channel.close();
    };
    // The error of the source is more specific than what the thread reports.
    const causeOf = (error: unknown) => feed?.failure ?? error;
    return { channel, result, causeOf, end };
  }

  #spawn(): Worker {
    const file = join(packageRoot, 'dist', `${this.#program}.cjs`);
    const worker = new Worker(file, { workerData: this.#workerData });
    worker.unref();
    worker.setMaxListeners(0);
    const over = () => {
      if (this.#worker === worker) this.#worker = undefined;
    };
    return worker.once('error', over).once('exit', over);
  }
}
