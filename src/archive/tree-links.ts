// The symbolic links of a tree: made last, and only those that stay inside the root.
import { randomBytes } from 'node:crypto';
import { lstatSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { archiveErrors } from './archive-error.ts';
import { traceSync } from './confine.ts';
import { removeTreeSync } from './remove-tree-sync.ts';

export const leadsOut = ({ path, target }: TreeEntry): Error =>
  archiveErrors.entry(
    path,
    `the symbolic link to ${JSON.stringify(target)} leads out of the work dir`,
  );

/** Makes the links; `placeOf` gives the absolute path of each. Throws ERR_ARCHIVE, leaving none, when one leads out. */
export function makeTreeLinks(
  root: string,
  entries: readonly TreeEntry[],
  placeOf: (path: string) => string,
): readonly TreeEntry[] {
  const places = entries.map((entry) => ({ entry, place: placeOf(entry.path) }));
  for (const link of places) {
    requireInside(root, link);
    makeLink(link);
  }
  // Stops `a -> b/../x`, `b -> .`: each stays inside alone, and both together do not.
  for (const link of places) {
    try {
      requireInside(root, link);
    } catch (error) {
      for (const { place } of places) rmSync(place, { force: true });
      throw error;
    }
  }
  return entries;
}

interface PlacedLink {
  readonly entry: TreeEntry;
  readonly place: string;
}

function requireInside(root: string, { entry, place }: PlacedLink): void {
  const found = traceSync(root, dirname(place), entry.target.split('/'), { follow: true });
  if (found.problem === 'outside') throw leadsOut(entry);
}

function makeLink({ entry, place }: PlacedLink): void {
  if (lstatSync(place, { throwIfNoEntry: false })?.isDirectory()) removeTreeSync(place);
  const partial = `${dirname(place)}/.gomote-${randomBytes(8).toString('hex')}`;
  symlinkSync(entry.target, partial);
  renameSync(partial, place);
}
