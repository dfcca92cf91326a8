// Plans the changes that make one tree equal to another.
import type { TreeChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';

interface PlanOptions<Entry extends TreeEntry> {
  /** The digest of a local file; undefined when it is gone. Called only when needed. */
  readonly digestOf: (entry: Entry) => string | undefined;
  /**
   * Whether to update a file's time: `exact` where the other tree still has the times that were sent,
   * `newer` where they may have changed since: only if the local time is newer. Default: no.
   */
  readonly times?: 'exact' | 'newer' | undefined;
  /** Whether to leave a path of the other tree alone. */
  readonly keeps?: ((path: string, isDirectory: boolean) => boolean) | undefined;
}

/** Renamed files below this size are sent again: naming their old path costs as much. */
const renameBytes = 4096;

/**
 * The changes that make `there` equal to `here`; both are sorted by path. Removals come first, deepest first,
 * so that a name that only changes its case is not lost on case-insensitive file systems.
 */
export function planChanges<Entry extends TreeEntry>(
  here: readonly Entry[],
  there: readonly TreeEntry[],
  options: PlanOptions<Entry>,
): TreeChange[] {
  const left = new Map(there.map((entry) => [entry.path, entry]));
  const writes: Exclude<TreeChange, { op: 'remove' }>[] = [];
  const changed: Entry[] = [];
  for (const entry of here) {
    const other = left.get(entry.path);
    left.delete(entry.path);
    const change = changeOf(entry, other, options);
    if (change !== undefined) writes.push(change);
    if (change?.op !== 'write') writes.push(...timeOf(entry, other, options));
    else if (entry.kind === 'file') changed.push(entry);
  }
  const gone = [...left.values()].filter(
    ({ path, kind }) => options.keeps?.(path, kind === 'directory') !== true,
  );
  const sources = renames(changed, gone, options);
  const removes = gone.reverse().map(({ path }): TreeChange => ({ op: 'remove', path }));
  return [
    ...removes,
    ...writes.map((change): TreeChange => {
      const source = change.op === 'write' ? sources.get(change.entry.path) : undefined;
      if (change.op !== 'write' || source === undefined) return change;
      const { size } = change.entry;
      const entry = { ...change.entry, digest: source.digest };
      return {
        op: 'write',
        entry,
        patch: { source: source.path, parts: [{ at: 0, length: size }] },
      };
    }),
  ];
}

function changeOf<Entry extends TreeEntry>(
  entry: Entry,
  other: TreeEntry | undefined,
  options: PlanOptions<Entry>,
): Extract<TreeChange, { op: 'write' | 'mode' }> | undefined {
  const write = { op: 'write', entry } as const;
  if (other?.kind !== entry.kind) return write;
  if (entry.kind === 'symlink') return other.target === entry.target ? undefined : write;
  if (entry.kind === 'directory') return other.mode === entry.mode ? undefined : write;
  if (other.size !== entry.size || options.digestOf(entry) !== other.digest) return write;
  return other.mode === entry.mode ? undefined : { op: 'mode', path: entry.path, mode: entry.mode };
}

/** The change of a file's time, when its content is unchanged. */
function timeOf<Entry extends TreeEntry>(
  { kind, path, mtimeMs }: Entry,
  other: TreeEntry | undefined,
  { times }: PlanOptions<Entry>,
): Extract<TreeChange, { op: 'time' }>[] {
  if (kind !== 'file' || other === undefined || times === undefined) return [];
  const isOther = times === 'exact' ? mtimeMs !== other.mtimeMs : mtimeMs > other.mtimeMs + 1;
  return isOther ? [{ op: 'time', path, mtimeMs }] : [];
}

/** Renamed files, by their new path. */
function renames<Entry extends TreeEntry>(
  changed: readonly Entry[],
  gone: readonly TreeEntry[],
  options: PlanOptions<Entry>,
): Map<string, TreeEntry> {
  const bySize = new Map<number, TreeEntry[]>();
  for (const entry of gone) {
    if (entry.kind !== 'file' || entry.size < renameBytes) continue;
    bySize.set(entry.size, [...(bySize.get(entry.size) ?? []), entry]);
  }
  const sources = new Map<string, TreeEntry>();
  for (const entry of changed) {
    const candidates = bySize.get(entry.size);
    const digest = candidates && options.digestOf(entry);
    const source = candidates?.find((candidate) => candidate.digest === digest);
    if (source !== undefined) sources.set(entry.path, source);
  }
  return sources;
}
