// Work on a stream of bytes in a thread of its own, so that the event loop stays free.
import { MessageChannel, Worker } from 'node:worker_threads';
import { packageRoot } from '../package-root.ts';
import { Feed } from './feed.ts';
import type { StoppableSource } from './stoppable-source.ts';
import { type FromThread, fromFailure } from './thread-messages.ts';

/** One thread of each program is kept for its next job: starting it takes some 30 ms. */
const idle = new Map<string, Worker>();

/**
 * Runs one job of a program built by scripts/build-workers.js into dist/ (`archive-worker`), which is written with
 * `serveJobs`, and gives its result. The thread gets the source's bytes, never more ahead of it than a MiB. Fails as
 * the source does, else as the job. The thread keeps no process alive.
 */
export async function runInThread<Job, Result>(
  program: string,
  job: Job,
  source: StoppableSource,
): Promise<Result> {
  const worker = idle.get(program) ?? start(program);
  idle.delete(program);
  const { port1: port, port2 } = new MessageChannel();
  const feed = new Feed(port, source);
  let crashed: (error: Error) => void = () => undefined;
  const result = new Promise<Result>((resolve, reject) => {
    crashed = reject;
    port.on('message', (message: FromThread<Result>) => {
      if ('taken' in message) feed.taken(message.taken);
      else if ('done' in message) resolve(message.done);
      else reject(fromFailure(message.failed));
    });
  });
  const ended = () => crashed(new Error(`the thread ${program} ended`));
  worker.once('error', crashed).once('exit', ended);
  worker.postMessage({ job, port: port2 }, [port2]);
  try {
    const fed = feed.run();
    const value = await result.finally(() => feed.stop());
    await fed;
    return value;
  } catch (error) {
    // Why there was no more to read says more than what the thread made of that.
    throw feed.failure ?? error;
  } finally {
    worker.off('error', crashed).off('exit', ended);
    port.close();
    giveBack(program, worker);
  }
}

function start(program: string): Worker {
  const worker = new Worker(new URL(`dist/${program}.cjs`, packageRoot));
  worker.unref();
  worker.once('exit', () => {
    if (idle.get(program) === worker) idle.delete(program);
  });
  return worker;
}

/** The id of a thread that is no more. */
const ended = -1;

function giveBack(program: string, worker: Worker): void {
  if (idle.has(program)) void worker.terminate();
  else if (worker.threadId !== ended) idle.set(program, worker);
}
