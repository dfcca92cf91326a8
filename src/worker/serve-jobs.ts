// The inside of a thread: it runs the jobs that its owner sends.
import { type MessagePort, parentPort } from 'node:worker_threads';
import { Channel } from './channel.ts';
import { type FromThread, toFailure } from './messages.ts';

/** The thread's end of the channel of a job with a `Result` and any number of `Event`s. */
export type JobChannel<Result = unknown, Event = never> = Channel<FromThread<Result, Event>>;

/** Makes this thread run the jobs that it is sent. Jobs run concurrently in the thread. */
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
