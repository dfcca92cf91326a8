// Which entries of two trees are the same: found in one pass, both being in the order of paths.
import { comparePaths } from '../../protocol/tree-entry.ts';

/** Entries one after another that are the same in both trees. */
export interface Run {
  /** Of the first of them, in the one tree and in the other. */
  readonly at: number;
  readonly from: number;
  readonly length: number;
}

export interface TreeMatch {
  readonly runs: readonly Run[];
  /** Indices of what is in no run, of either tree. */
  readonly here: readonly number[];
  readonly there: readonly number[];
}

interface OtherTree<Entry> {
  readonly length: number;
  pathOf(index: number): string | undefined;
  /** Asked where the paths are the same. */
  isSame(index: number, entry: Entry): boolean;
}

export function matchTrees<Entry extends { readonly path: string }>(
  entries: readonly Entry[],
  other: OtherTree<Entry>,
): TreeMatch {
  const runs: { at: number; from: number; length: number }[] = [];
  const here: number[] = [];
  const there: number[] = [];
  let last: { at: number; from: number; length: number } | undefined;
  let from = 0;
  let at = -1;
  for (const entry of entries) {
    at++;
    let path = other.pathOf(from);
    while (path !== undefined && path !== entry.path && comparePaths(path, entry.path) < 0) {
      there.push(from++);
      path = other.pathOf(from);
    }
    const isThere = path === entry.path;
    if (isThere && other.isSame(from, entry)) {
      if (last === undefined || last.at + last.length !== at || last.from + last.length !== from) {
        last = { at, from, length: 0 };
        runs.push(last);
      }
      last.length++;
    } else {
      here.push(at);
      if (isThere) there.push(from);
    }
    if (isThere) from++;
  }
  while (from < other.length) there.push(from++);
  return { runs, here, there };
}
