// Examines the entries of a listing in batches. Two threads take those with files to read.
import { setImmediate } from 'node:timers/promises';
import type { OpenTree } from '../../files/open-tree.ts';
import type { Thread } from '../../worker/thread.ts';
import { type Examined, examine, type Wanted } from './examine.ts';

/** Entries of the tree whose top, a directory, can be opened at this path. */
export interface ExamineJob {
  readonly top: string;
  readonly wanted: readonly Wanted[];
}

/** The thread that does these. */
export type ListingThread = Thread<ExamineJob>;

const batchSize = 128;
/** How many batches the other thread has at a time: enough for while this one examines a batch and sends others. */
const givenLimit = 4;
/** How many batches may wait for one that comes before them. */
const waitingLimit = 64;

interface Batch<T> {
  readonly wanted: readonly T[];
  readonly result: Promise<readonly Examined[]>;
  isDone: boolean;
}

/** The entries, each with what it was found to be, in order and in batches. */
export async function* examineAll<T extends Wanted>(
  tree: OpenTree,
  entries: Iterable<T>,
  thread: ListingThread,
): AsyncGenerator<readonly (readonly [T, Examined])[]> {
  const waiting: Batch<T>[] = [];
  const ending = new AbortController();
  let givenCount = 0;
  const give = (wanted: readonly T[]) => {
    givenCount++;
    const plain = wanted.map(({ name, reads }) => ({ name, reads }));
    const job = { top: tree.top.self, wanted: plain };
    const { signal } = ending;
    return thread.run<readonly Examined[]>(job, { signal }).finally(() => givenCount--);
  };
  try {
    let isFirst = true;
    for (const wanted of inBatches(entries)) {
      // For a short listing no thread is started. To send an entry takes as long as a call on it, but not as long as its digest.
      const mayGive = !isFirst && wanted.some(({ reads }) => reads);
      const isGiven = mayGive && givenCount < givenLimit;
      isFirst = false;
      const result = isGiven ? give(wanted) : examine(tree, wanted, setImmediate);
      const batch: Batch<T> = { wanted, result, isDone: false };
      const done = () => {
        batch.isDone = true;
      };
      result.then(done, done);
      waiting.push(batch);
      if (!isGiven) {
        await result;
        // Lets the other thread's results in.
        await setImmediate();
      }
      for (let [first] = waiting; first !== undefined; [first] = waiting) {
        if (!first.isDone && waiting.length < waitingLimit) break;
        const found = await first.result;
        waiting.shift();
        yield pairs(first.wanted, found);
      }
    }
    for (const { wanted, result } of waiting) yield pairs(wanted, await result);
  } finally {
    // The other thread may still use the tree.
    ending.abort();
    await Promise.allSettled(waiting.map(({ result }) => result));
  }
}

function* inBatches<T>(entries: Iterable<T>): Generator<readonly T[]> {
  let batch: T[] = [];
  for (const entry of entries) {
    batch.push(entry);
    if (batch.length < batchSize) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

const pairs = <T>(wanted: readonly T[], found: readonly Examined[]): (readonly [T, Examined])[] =>
  wanted.map((one, index) => [one, found[index] ?? 'gone']);
