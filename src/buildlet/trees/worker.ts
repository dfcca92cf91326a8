// The thread that keeps the trees pushed into the work directory: the entry of a bundle of its own.
import { workerData } from 'node:worker_threads';
import { formatStored } from '../../protocol/stored.ts';
import { ContentStore, type StoreOptions } from '../../store/content-store.ts';
import { openStoreAt } from '../../store/store-at.ts';
import { askStore } from '../../tree/stored-request.ts';
import { type JobChannel, serveJobs } from '../../worker/serve-jobs.ts';
import type { PrepareJob, ReachJob, StoreJob, TreeJob } from './jobs.ts';
import { TreeStore } from './tree-store.ts';

interface Settings {
  readonly workDir: string;
  /** A private directory for a tree that is made ahead. */
  readonly stage: string;
  readonly store?: StoreOptions;
}
const { workDir, stage, store: options } = workerData as Settings;
const contents = options && opened(options);
const store = new TreeStore({ workDir, stage }, contents);

type Channel = JobChannel<unknown, string>;

type Job = TreeJob | StoreJob | ReachJob | PrepareJob;

serveJobs(async (job: Job, channel: Channel): Promise<unknown> => {
  if (job.kind === 'drop') return store.drop();
  if (job.kind === 'prepare') {
    return await inTurns(store.prepare(job.storeAt));
  }
  if (job.kind === 'reach') return openStoreAt(job.at) !== undefined;
  if (job.kind === 'stored') return await stored(job, channel);
  if (job.kind === 'apply') return await apply(job, channel);
  if (job.kind !== 'read') return answer(job);
  for (const piece of store.read(job)) {
    channel.send(piece);
    await channel.ready();
  }
  channel.end();
  return undefined;
});

function answer(job: Parameters<TreeStore['answer']>[0]): unknown {
  const answered = store.answer(job) as { readonly prepared?: object } | undefined;
  if (job.kind === 'state' && answered?.prepared !== undefined) {
    // A push is likely to take it: it is checked while the client walks its tree.
    void inTurns(store.settlePrepared(job.ranAtMs)).catch(() => undefined);
  }
  return answered;
}

/** Goes through the steps, with other jobs between them. */
async function inTurns(steps: Iterator<void>): Promise<void> {
  while (!steps.next().done) await new Promise((resolve) => setImmediate(resolve));
}

async function apply(job: Extract<TreeJob, { kind: 'apply' }>, channel: Channel): Promise<unknown> {
  if (job.prepared !== undefined) await inTurns(store.settlePrepared(job.ranAtMs));
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
