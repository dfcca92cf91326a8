// The thread that keeps a work dir's trees, as its owner sees it: reading a large tree holds up nothing else.
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads';
import { GomoteError } from '../../errors.ts';
import { packageRoot } from '../../package-root.ts';
import { Feed } from '../../worker/feed.ts';
import type { StoppableSource } from '../../worker/stoppable-source.ts';
import { fromFailure } from '../../worker/thread-messages.ts';
import type { FromTreeThread, ToTreeThread, TreeJob } from './messages.ts';

/** Built by scripts/build.js beside the programs. */
const program = new URL('dist/tree-worker.cjs', packageRoot);

export interface AskOptions {
  readonly stops?: AbortSignal;
  /** Told the digests of files that were copied, each with a newline; first of all, none. */
  readonly onDigests?: (digests: string) => void;
}

export class TreeThread {
  readonly #workDir: string;
  #worker: Worker | undefined;

  constructor(workDir: string) {
    this.#workDir = workDir;
  }

  /** Does a job that gives one answer; `source` is what it takes. `stops` ends it also when it has taken everything. */
  async ask(
    job: TreeJob,
    source?: StoppableSource,
    { stops, onDigests }: AskOptions = {},
  ): Promise<unknown> {
    const { port, messages, release } = this.#start(job);
    const feed = source && new Feed(port, source);
    const fed = feed?.run();
    const stop = () => port.postMessage('stop' satisfies ToTreeThread);
    stops?.addEventListener('abort', stop);
    try {
      for await (const message of messages) {
        if ('digests' in message) onDigests?.(message.digests);
        else if ('taken' in message) feed?.taken(message.taken, message.memory);
        else if ('done' in message) return message.done;
        else if ('failed' in message) throw fromFailure(message.failed);
      }
      throw new GomoteError('ERR_CLOSED', 'the thread has ended');
    } catch (error) {
      // Why there was no more to read says more than what the thread made of that.
      throw feed?.failure ?? error;
    } finally {
      stops?.removeEventListener('abort', stop);
      feed?.stop();
      await fed;
      release();
    }
  }

  /** Does a job that gives a stream; `takeBack` gives memory of pieces that are not used any more. */
  async *read(
    job: TreeJob,
    takeBack: () => readonly ArrayBuffer[] = () => [],
  ): AsyncGenerator<Uint8Array> {
    const { port, messages, release } = this.#start(job);
    const tell = (message: ToTreeThread) => port.postMessage(message);
    try {
      for await (const message of messages) {
        if ('done' in message) return;
        if ('failed' in message) throw fromFailure(message.failed);
        if (!('piece' in message)) continue;
        yield message.piece;
        for (const memory of takeBack()) port.postMessage(memory, [memory]);
        tell('next');
      }
      throw new GomoteError('ERR_CLOSED', 'the thread has ended');
    } finally {
      tell('stop');
      release();
    }
  }

  /** Ends the thread; what is running fails with ERR_CLOSED. */
  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(job: TreeJob) {
    this.#worker ??= this.#spawn();
    const worker = this.#worker;
    const { port1: port, port2 } = new MessageChannel();
    const messages = new Inbox(port);
    const ended = () => messages.end();
    worker.once('exit', ended);
    worker.postMessage({ job, port: port2 }, [port2]);
    const release = () => {
      worker.off('exit', ended);
      port.close();
    };
    return { port, messages, release };
  }

  #spawn(): Worker {
    const worker = new Worker(program, { workerData: { workDir: this.#workDir } });
    worker.unref();
    worker.setMaxListeners(0);
    worker
      .once('error', () => undefined)
      .once('exit', () => {
        if (this.#worker === worker) this.#worker = undefined;
      });
    return worker;
  }
}

/** What comes out of a port, in order. */
class Inbox {
  readonly #waiting: FromTreeThread[] = [];
  #isOver = false;
  #wake: (() => void) | undefined;

  constructor(port: MessagePort) {
    port.on('message', (message: FromTreeThread) => {
      this.#waiting.push(message);
      this.#wake?.();
    });
  }

  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<FromTreeThread> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) yield message;
      else if (this.#isOver) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
