// The inside of a thread: it runs the jobs that its owner sends.
import { type MessagePort, parentPort } from 'node:worker_threads';
import { Channel } from './channel.ts';
import { type FromThread, toFailure } from './messages.ts';

/** The thread's end of the channel of a job that gives a `Result`, and an `Event` now and then. */
export type JobChannel<Result = unknown, Event = never> = Channel<FromThread<Result, Event>>;

/** Makes this thread run each job it is sent. The jobs share the thread; a job ends with its result, or fails. */
export function serveJobs<Job, Result, Event = never>(
  run: (job: Job, channel: JobChannel<Result, Event>) => Promise<Result>,
): void {
  parentPort?.on('message', ({ job, port }: { job: Job; port: MessagePort }) => {
    const channel: JobChannel<Result, Event> = new Channel(port);
    run(job, channel)
      .then(
        (done) => channel.post({ done }),
        (error: unknown) => channel.post({ failed: toFailure(error) }),
      )
      .finally(() => channel.close());
  });
}
