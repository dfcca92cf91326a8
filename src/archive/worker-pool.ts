// The threads that unpack. One is kept for the next job: starting it takes some 30 ms.
import { Worker } from 'node:worker_threads';
import { packageRoot } from '../package-root.ts';

/** Built by scripts/build.js beside the programs. */
const program = new URL('dist/archive-worker.cjs', packageRoot);

let idle: Worker | undefined;

/** A thread with nothing to do; `giveBack` returns it. It keeps no process alive. */
export function takeWorker(): Worker {
  const worker = idle ?? start();
  idle = undefined;
  return worker;
}

/** Keeps the thread for the next job, or ends it when another is kept already. */
export function giveBack(worker: Worker): void {
  if (idle !== undefined) void worker.terminate();
  else if (worker.threadId !== ended) idle = worker;
}

/** The id of a thread that is no more. */
const ended = -1;

function start(): Worker {
  const worker = new Worker(program);
  worker.unref();
  worker.once('exit', () => {
    if (idle === worker) idle = undefined;
  });
  return worker;
}
