// Names in a tar archive: what they may be, and where a symbolic link may point.
import { sep } from 'node:path';
import { whyNoName } from '../files/file-name.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { archiveErrors } from './archive-error.ts';

/** Deeper than any real tree. */
const maxDepth = 1024;

/**
 * The elements of an entry's name, without empty ones and `.`; none for the target directory itself.
 *
 * Throws ERR_ARCHIVE for a name that is empty, absolute, too deep, none on this system, or holds `..` or a NUL.
 */
export function entryElements(name: string): string[] {
  const elements = relativeElements(name);
  if (elements === undefined) throw archiveErrors.invalidName(name);
  return elements;
}

/** {@link entryElements}, but undefined for a name that may not be. */
export function relativeElements(name: string): string[] | undefined {
  if (name === '' || name.startsWith('/') || name.includes('\0')) return undefined;
  const elements = name.split('/').filter((element) => element !== '' && element !== '.');
  if (elements.length > maxDepth) return undefined;
  return elements.every((element) => whyNoName(element) === undefined) ? elements : undefined;
}

/**
 * Whether a link's target stays inside the root when no other link is on its way. `directory` holds the elements of
 * the link's own directory, from the root.
 */
export function targetStaysInside(directory: readonly string[], target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  let depth = directory.length;
  for (const element of target.split('/')) {
    if (element === '..') depth--;
    else if (element !== '' && element !== '.') depth++;
    if (depth < 0) return false;
  }
  return true;
}

/** Whether an entry is a link that leads out of its root; `above` is the path from there to the tree. */
export function pointsOutside(
  above: string,
  { kind, path, target }: Pick<TreeEntry, 'kind' | 'path' | 'target'>,
): boolean {
  if (kind !== 'symlink') return false;
  const elements = [...above.split(sep).filter(Boolean), ...path.split('/').slice(0, -1)];
  return !targetStaysInside(elements, target);
}
