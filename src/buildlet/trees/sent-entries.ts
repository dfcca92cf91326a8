// The entries that were sent into a directory, updated with each change.
import { pathOf, type TreeChange } from '../../protocol/tree-change.ts';
import { comparePaths, type TreeEntry } from '../../protocol/tree-entry.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import type { FileTimes } from './file-times.ts';

/** A file that we have written: its digest is valid while the file has not changed since. */
export interface Written {
  readonly entry: TreeEntry;
  readonly untilAtMs: number;
}

export interface Sent {
  /** By path, with the times and digests as sent. */
  readonly entries: Map<string, TreeEntry>;
  readonly written: Map<string, Written>;
}

/** Records an applied change; `digest` is that of a file's content. */
export function noteChange(
  { entries, written }: Sent,
  change: TreeChange,
  digest: string,
  times: FileTimes,
): void {
  const path = pathOf(change);
  const old = entries.get(path);
  if (change.op === 'remove') {
    entries.delete(path);
    written.delete(path);
  } else if (change.op === 'mode') {
    if (old !== undefined) entries.set(path, { ...old, mode: change.mode });
  } else if (change.op === 'time') {
    const mtimeMs = times.sentMs(path, change.mtimeMs);
    if (old !== undefined) entries.set(path, { ...old, mtimeMs });
  } else if (change.entry.kind !== 'file') entries.set(path, change.entry);
  else {
    const entry = { ...change.entry, digest };
    const mtimeMs = times.sentMs(path, entry.mtimeMs);
    entries.set(path, mtimeMs === entry.mtimeMs ? entry : { ...entry, mtimeMs });
    written.set(path, { entry, untilAtMs: Date.now() + 1 });
  }
}

/** Whether a file's time is the one that we set, and nothing changed it after we closed it. */
export const isAsWritten = (
  { entry, untilAtMs }: Written,
  { size, mtimeMs, ctimeMs }: FoundEntry,
): boolean => size === entry.size && mtimeMs === entry.mtimeMs && ctimeMs <= untilAtMs;

/** The entries, sorted by path; usually they already are. */
export function inOrder(entries: Map<string, TreeEntry>): Map<string, TreeEntry> {
  let last: string | undefined;
  for (const path of entries.keys()) {
    if (last !== undefined && comparePaths(last, path) > 0) {
      return new Map([...entries].sort(([a], [b]) => comparePaths(a, b)));
    }
    last = path;
  }
  return entries;
}
