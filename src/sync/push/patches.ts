// Patches of large files that changed: only new parts are sent.

import type { TreeChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { type Chunk, chunkFile, patchParts } from '../../tree/chunks.ts';

/** A smaller file is sent whole: asking for its chunks takes a round trip. */
const patchedBytes = 1 << 20;

interface PatchOptions {
  /** Of the tree here, absolute. */
  readonly top: string;
  readonly there: readonly TreeEntry[];
  readonly chunksOf: (path: string) => Promise<readonly Chunk[] | undefined>;
}

/** The changes, those of large files that are there already as patches of them. */
export async function withPatches(
  changes: readonly TreeChange[],
  { top, there, chunksOf }: PatchOptions,
): Promise<TreeChange[]> {
  let large: Set<string> | undefined;
  const isLargeThere = (path: string): boolean => {
    large ??= new Set(there.filter(isLargeFile).map((entry) => entry.path));
    return large.has(path);
  };
  const result: TreeChange[] = [];
  for (const change of changes) {
    const isLarge =
      change.op === 'write' &&
      change.patch === undefined &&
      isLargeFile(change.entry) &&
      isLargeThere(change.entry.path);
    const patched = isLarge ? await patchOf(change.entry, top, chunksOf) : undefined;
    result.push(patched ?? change);
  }
  return result;
}

const isLargeFile = ({ kind, size }: TreeEntry): boolean => kind === 'file' && size >= patchedBytes;

async function patchOf(
  entry: TreeEntry,
  top: string,
  chunksOf: PatchOptions['chunksOf'],
): Promise<TreeChange | undefined> {
  const asked = chunksOf(entry.path);
  asked.catch(() => undefined);
  // The request goes out before this thread is busy with the file here.
  await new Promise((resolve) => setImmediate(resolve));
  const now = chunksHere(`${top}/${entry.path}`);
  const old = await asked;
  // A file that grew, shrank or cannot be read is found out when it is sent.
  if (old === undefined || now?.size !== entry.size) return undefined;
  const parts = patchParts(old, now.chunks);
  return {
    op: 'write',
    entry: { ...entry, digest: now.sha256 },
    patch: { source: entry.path, parts },
  };
}

function chunksHere(path: string): ReturnType<typeof chunkFile> | undefined {
  try {
    return chunkFile(path);
  } catch {
    return undefined;
  }
}
