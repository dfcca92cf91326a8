// The thread that keeps the trees pushed into the work directory: the entry of a bundle of its own.
import { workerData } from 'node:worker_threads';
import { formatStored } from '../../protocol/stored.ts';
import { ContentStore, type StoreOptions } from '../../store/content-store.ts';
import { openStoreAt } from '../../store/store-at.ts';
import { askStore } from '../../tree/stored-question.ts';
import { type JobChannel, serveJobs } from '../../worker/serve-jobs.ts';
import type { ReachJob, StoreJob, TreeJob } from './jobs.ts';
import { TreeStore } from './tree-store.ts';

const { workDir, store: options } = workerData as { workDir: string; store?: StoreOptions };
const contents = options && opened(options);
const store = new TreeStore(workDir, contents);

type Channel = JobChannel<unknown, string>;

serveJobs(async (job: TreeJob | StoreJob | ReachJob, channel: Channel): Promise<unknown> => {
  if (job.kind === 'reach') return openStoreAt(job.at) !== undefined;
  if (job.kind === 'stored') return await stored(job, channel);
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

async function stored(job: StoreJob, channel: Channel): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of channel.receive()) pieces.push(Buffer.from(piece));
  if (contents === undefined) return formatStored({ head: false, isMissing: [] });
  contents.refresh();
  return formatStored(askStore(contents, job, Buffer.concat(pieces)));
}

/** Pushes continue when the store cannot be opened: the disk may be full. */
function opened(options: StoreOptions): ContentStore | undefined {
  try {
    return new ContentStore(options);
  } catch {
    return undefined;
  }
}
