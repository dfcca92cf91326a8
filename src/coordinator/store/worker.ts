// The thread that has the coordinator's store: the entry of a bundle of its own.
import { workerData } from 'node:worker_threads';
import { isGomoteError } from '../../errors.ts';
import { formatStored } from '../../protocol/stored.ts';
import { ContentStore, type StoreOptions } from '../../store/content-store.ts';
import { type Contents, noContents } from '../../store/contents.ts';
import { storedBytes } from '../../store/eviction.ts';
import { askStore } from '../../tree/stored-request.ts';
import { type JobChannel, serveJobs } from '../../worker/serve-jobs.ts';
import type { StoreFacts, StoreJob } from './jobs.ts';
import { Pass, Refill } from './refill.ts';
import { WholeTree } from './whole-tree.ts';

const options = workerData as Omit<StoreOptions, 'room'>;

/** How many rooms are held open: what is in the others is found again on disk. */
const openRooms = 50;
const rooms = new Map<string, ContentStore>();

const had = { hits: 0, hitBytes: 0, misses: 0 };

function roomOf(room: string): ContentStore {
  const store = rooms.get(room) ?? new ContentStore({ ...options, room });
  // The one used last goes to the end.
  rooms.delete(room);
  rooms.set(room, store);
  for (const [name, old] of rooms) {
    if (rooms.size <= openRooms) break;
    old.close();
    rooms.delete(name);
  }
  return store;
}

/** A push continues when the store cannot be opened: the disk may be full. */
function openedOrNone(room: string): Contents {
  try {
    return roomOf(room);
  } catch {
    return noContents;
  }
}

serveJobs(async (job: StoreJob, channel: JobChannel): Promise<unknown> => {
  if (job.kind === 'facts') {
    return { storedBytes: storedBytes(options.root), ...had } satisfies StoreFacts;
  }
  if (job.kind === 'refill') return await refill(openedOrNone(job.room), job, channel);
  const store = roomOf(job.room);
  store.refresh();
  if (job.kind === 'count') return store.count;
  const pieces: Buffer[] = [];
  for await (const piece of channel.receive()) pieces.push(Buffer.from(piece));
  return formatStored(askStore(store, job, Buffer.concat(pieces)));
});

type RefillJob = Extract<StoreJob, { kind: 'refill' }>;

async function refill(
  store: Contents,
  { reads, whole }: RefillJob,
  channel: JobChannel,
): Promise<void> {
  const tree = whole && new WholeTree(store, whole.begunWith);
  const stream = reads ? new Pass(store, tree) : new Refill(store, tree);
  const send = async (pieces: Iterable<Buffer>) => {
    for (const piece of pieces) {
      channel.send(piece);
      await channel.ready();
    }
  };
  try {
    for await (const piece of channel.receive()) await send(stream.take(piece));
    await send(stream.end());
    setImmediate(() => tree?.keep());
  } catch (error) {
    // The machine gets the stream as far as it can be read, and says what is wrong with it.
    if (!isGomoteError(error)) throw error;
    channel.throwIfFailed();
  } finally {
    store.flush();
    had.hits += stream.counts.hits;
    had.hitBytes += stream.counts.hitBytes;
    had.misses += stream.counts.misses;
  }
  channel.end();
}
