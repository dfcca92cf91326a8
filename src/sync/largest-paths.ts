// Finds the paths with the most bytes of a push.
import type { TreeChange } from '../protocol/tree-change.ts';
import { literalBytes } from '../protocol/tree-change.ts';

interface PathSize {
  readonly path: string;
  readonly sizeBytes: number;
}

/** The share of a directory's size above which a single entry is shown instead of the directory. */
const mostOf = 0.8;

/** The `count` largest files, or directories with many files, of what is sent. */
export function largestPaths(changes: readonly TreeChange[], count: number): PathSize[] {
  const sizes = new Map<string, number>();
  const children = new Map<string, Set<string>>();
  for (const change of changes) {
    const sizeBytes = literalBytes(change);
    if (change.op !== 'write' || sizeBytes === 0) continue;
    for (let path = change.entry.path; path !== '.'; ) {
      sizes.set(path, (sizes.get(path) ?? 0) + sizeBytes);
      const slash = path.lastIndexOf('/');
      const parent = slash < 0 ? '.' : path.slice(0, slash);
      children.set(parent, (children.get(parent) ?? new Set()).add(path));
      path = parent;
    }
  }
  const sizeOf = (path: string): number => sizes.get(path) ?? 0;
  const within = (path: string): string => {
    const most = [...(children.get(path) ?? [])].find(
      (child) => sizeOf(child) >= mostOf * sizeOf(path),
    );
    return most === undefined ? path : within(most);
  };
  const top = [...(children.get('.') ?? [])].sort((a, b) => sizeOf(b) - sizeOf(a));
  return top
    .slice(0, count)
    .map(within)
    .map((path) => ({ path, sizeBytes: sizeOf(path) }));
}
