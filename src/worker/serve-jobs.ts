// The inside of a thread that `runInThread` runs jobs in.
import { type MessagePort, parentPort } from 'node:worker_threads';
import { type FromThread, type ToThread, toFailure } from './thread-messages.ts';

/** Makes this thread run each job it is sent; a job reads its source to the end, or fails. */
export function serveJobs<Job, Result>(
  run: (job: Job, source: AsyncGenerator<Uint8Array>) => Promise<Result>,
): void {
  parentPort?.on('message', ({ job, port }: { job: Job; port: MessagePort }) => {
    const tell = (message: FromThread<Result>) => port.postMessage(message);
    run(job, received(port))
      .then(
        (done) => tell({ done }),
        (error: unknown) => tell({ failed: toFailure(error) }),
      )
      .finally(() => port.close());
  });
}

/** The source as it comes, each piece acknowledged when the next is asked for. */
async function* received(port: MessagePort): AsyncGenerator<Uint8Array> {
  const waiting: ToThread[] = [];
  let wake: (() => void) | undefined;
  port.on('message', (message: ToThread) => {
    waiting.push(message);
    wake?.();
  });
  for (;;) {
    const message = waiting.shift();
    if (message === 'end') return;
    if (message === 'stop') throw new Error('the source has failed');
    if (message === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    yield message;
    const taken: FromThread<never> = { taken: message.length };
    port.postMessage(taken);
  }
}
