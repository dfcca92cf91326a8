// The inside of a thread that `runInThread` runs jobs in.
import { type MessagePort, parentPort } from 'node:worker_threads';
import { type FromThread, type ToThread, toFailure } from './thread-messages.ts';

/** An abort is heard between two. */
const maxJoinedBytes = 256 << 10;

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
    const piece = joined(message, waiting);
    yield piece;
    const taken: FromThread<never> = { taken: piece.length };
    port.postMessage(taken);
  }
}

/** The piece with those that wait behind it: fewer turns, each of more work. */
function joined(first: Uint8Array, waiting: ToThread[]): Uint8Array {
  const pieces = [first];
  let bytes = first.length;
  for (;;) {
    const next = waiting[0];
    if (!(next instanceof Uint8Array) || bytes + next.length > maxJoinedBytes) break;
    pieces.push(next);
    bytes += next.length;
    waiting.shift();
  }
  return pieces.length === 1 ? first : Buffer.concat(pieces);
}
