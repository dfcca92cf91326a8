// The contents of earlier pulls on this machine: what is there need not be sent again.
import type { WriteChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { ContentStore } from '../../store/content-store.ts';
import type { Contents } from '../../store/contents.ts';
import { minStoreBytes } from '../../store/store-size.ts';
import { takeStored } from '../../tree/stored-content.ts';
import type { PullOptions } from './pull-options.ts';
import type { WantedSink } from './wanted-sink.ts';

/** Undefined when none are kept, or when the directory cannot be used: a pull does not depend on it. */
export function openKeptContents({
  cacheDirectory,
  storeBytes = 0,
}: Pick<PullOptions, 'cacheDirectory' | 'storeBytes'>): ContentStore | undefined {
  if (cacheDirectory === undefined || storeBytes < minStoreBytes) return undefined;
  try {
    return new ContentStore({
      ...{ root: `${cacheDirectory}/contents`, room: 'pulled', limitBytes: storeBytes },
    });
  } catch {
    return undefined;
  }
}

/** After so many files, others have a turn. */
const turnFiles = 16;

/** Makes the files whose contents are kept, and the directories. Returns what is left to be sent. */
export async function takeKept(
  wanted: readonly TreeEntry[],
  kept: Contents,
  sink: WantedSink,
  signal: AbortSignal,
): Promise<{ left: readonly TreeEntry[]; bytes: number }> {
  const isKept = ({ kind, digest, size }: TreeEntry) => kind === 'file' && kept.has(digest, size);
  if (!wanted.some(isKept)) return { left: wanted, bytes: 0 };
  const changes = wanted
    .filter((entry) => entry.kind === 'directory' || isKept(entry))
    .map((entry): WriteChange => ({ op: 'write', entry }));
  const made = new Set<TreeEntry>();
  let bytes = 0;
  sink.begin(changes, Buffer.alloc(0));
  for (const [i, change] of changes.entries()) {
    if (i % turnFiles === 0) await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    const { entry } = change;
    if (entry.kind === 'directory') sink.apply(change);
    else if (takeStored(change, kept, sink)) bytes += entry.size;
    else {
      // It is damaged.
      sink.again(entry);
      continue;
    }
    made.add(entry);
  }
  return { left: wanted.filter((entry) => !made.has(entry)), bytes };
}
