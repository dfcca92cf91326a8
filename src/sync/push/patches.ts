// Patches of large files that changed: only new parts are sent.
import type { TreeChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { type Chunk, chunkFile, patchParts } from '../../tree/chunks.ts';

/** A smaller file is sent whole: asking for its chunks takes a round trip. */
const patchedBytes = 1 << 20;

interface PatchOptions {
  /** The local tree, absolute. */
  readonly top: string;
  readonly there: readonly TreeEntry[];
  readonly chunksOf: (path: string) => Promise<readonly Chunk[] | undefined>;
}

/** The changes, with patches for large files that already exist there. */
export async function withPatches(
  changes: readonly TreeChange[],
  { top, there, chunksOf }: PatchOptions,
): Promise<TreeChange[]> {
  const largeThere = new Set(there.filter(isLargeFile).map(({ path }) => path));
  const result: TreeChange[] = [];
  for (const change of changes) {
    const mayBePatched =
      change.op === 'write' &&
      change.patch === undefined &&
      isLargeFile(change.entry) &&
      largeThere.has(change.entry.path);
    const patched = mayBePatched ? await patchOf(change.entry, top, chunksOf) : undefined;
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
  // Send the request before this thread is busy with the local file.
  await new Promise((resolve) => setImmediate(resolve));
  const now = chunksHere(`${top}/${entry.path}`);
  const old = await asked;
  // Sending detects a file that changed or cannot be read.
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
