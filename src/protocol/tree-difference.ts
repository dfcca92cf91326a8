// The differences between a tree and what was pushed.
import { comparePaths, type DigestAlgorithm, Fields, type TreeEntry } from './tree-entry.ts';
import { treeLimits } from './tree-limits.ts';

/** One path that differs from what was pushed. */
export interface TreeDifference {
  /** `A`: added, `M`: modified, `D`: deleted. */
  readonly status: 'A' | 'M' | 'D';
  /** Relative to the directory. */
  readonly path: string;
}

/** The algorithm of a digest. */
export const algorithmOf = (digest: string): DigestAlgorithm =>
  digest.length === 40 ? 'sha1' : 'sha256';

/**
 * Compares what was sent with what exists now, in the order of paths. `digestOf` returns the digest of an existing
 * file. An entry whose digest is unknown, because its push was cut, counts as unchanged.
 */
export function treeDifferences<Entry extends TreeEntry>(
  sent: Iterable<TreeEntry>,
  now: readonly Entry[],
  digestOf: (entry: Entry, algorithm: DigestAlgorithm) => string | undefined,
): TreeDifference[] {
  const before = new Map<string, TreeEntry>();
  for (const entry of sent) before.set(entry.path, entry);
  const differences: TreeDifference[] = [];
  for (const entry of now) {
    const old = before.get(entry.path);
    before.delete(entry.path);
    if (old === undefined) differences.push({ status: 'A', path: entry.path });
    else if (!isSame(old, entry, digestOf)) differences.push({ status: 'M', path: entry.path });
  }
  for (const path of before.keys()) differences.push({ status: 'D', path });
  return differences.sort((a, b) => comparePaths(a.path, b.path));
}

function isSame<Entry extends TreeEntry>(
  old: TreeEntry,
  entry: Entry,
  digestOf: (entry: Entry, algorithm: DigestAlgorithm) => string | undefined,
): boolean {
  if (old.kind !== entry.kind || old.mode !== entry.mode || old.target !== entry.target)
    return false;
  if (old.kind !== 'file' || old.digest === '') return true;
  return old.size === entry.size && digestOf(entry, algorithmOf(old.digest)) === old.digest;
}

/** The differences of a directory, with its path as prefix. */
export const belowDirectory = (
  dir: string,
  differences: readonly TreeDifference[],
): TreeDifference[] =>
  differences.map(({ status, path }) => ({ status, path: dir === '.' ? path : `${dir}/${path}` }));

export const encodeDifferences = (differences: readonly TreeDifference[]): string =>
  differences.map(({ status, path }) => `${status}\0${path}\0`).join('');

/** Reads {@link encodeDifferences}; undefined when the text is not one. */
export function decodeDifferences(text: string): TreeDifference[] | undefined {
  const fields = new Fields(text);
  const differences: TreeDifference[] = [];
  while (!fields.isOver) {
    const status = fields.next();
    const path = fields.next();
    const isRight = status === 'A' || status === 'M' || status === 'D';
    if (!isRight || path.length > treeLimits.pathLength || fields.isShort) return undefined;
    if (differences.length === treeLimits.entries) return undefined;
    differences.push({ status, path });
  }
  return differences;
}
