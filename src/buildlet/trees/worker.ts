// The thread that keeps the trees pushed into the work directory: the entry of a bundle of its own.
import { workerData } from 'node:worker_threads';
import { type JobChannel, serveJobs } from '../../worker/serve-jobs.ts';
import type { TreeJob } from './jobs.ts';
import { TreeStore } from './tree-store.ts';

const store = new TreeStore((workerData as { workDir: string }).workDir);

type Channel = JobChannel<unknown, string>;

serveJobs(async (job: TreeJob, channel: Channel): Promise<unknown> => {
  if (job.kind === 'apply') return await apply(job, channel);
  if (job.kind !== 'read') return store.answer(job);
  for (const piece of store.read(job)) {
    channel.send(piece);
    await channel.ready();
  }
  channel.end();
  return undefined;
});

async function apply(job: Extract<TreeJob, { kind: 'apply' }>, channel: Channel): Promise<unknown> {
  const change = store.change(job);
  try {
    for await (const piece of channel.receive()) {
      change.push(piece);
      for (const digests of change.copy()) {
        channel.post({ event: digests });
        await channel.turn();
      }
    }
    return change.end();
  } finally {
    change.abandon();
  }
}
