// The symbolic links of a tree: made last, and only those that stay inside the root.
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { traceSync } from '../files/confine.ts';
import { lstatSync, renameSync, rmSync, symlinkSync } from '../files/named-fs.ts';
import { removeTreeSync } from '../files/remove-tree.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { archiveErrors } from './archive-error.ts';

export const leadsOut = ({ path, target }: TreeEntry): Error =>
  archiveErrors.entry(
    path,
    `the symbolic link to ${JSON.stringify(target)} leads out of the work dir`,
  );

export interface TreeLinksOptions {
  /** What no link may lead out of. */
  readonly fence: string;
  /** Gives the absolute path of an entry. */
  readonly placeOf: (path: string) => string;
  /** Told of each that is not made because it leads out. */
  readonly onLeadsOut?: ((entry: TreeEntry) => void) | undefined;
}

/** Makes the links and gives them. Throws ERR_ARCHIVE, leaving none, when one leads out and nobody wants to be told. */
export function makeTreeLinks(
  entries: readonly TreeEntry[],
  { fence, placeOf, onLeadsOut }: TreeLinksOptions,
): TreeEntry[] {
  const made: PlacedLink[] = [];
  const refuse = (entry: TreeEntry) => {
    if (onLeadsOut !== undefined) return onLeadsOut(entry);
    for (const { place } of made) rmSync(place, { force: true });
    throw leadsOut(entry);
  };
  for (const entry of entries) {
    const link = { entry, place: placeOf(entry.path) };
    if (!staysInside(fence, link)) refuse(entry);
    else {
      makeLink(link);
      made.push(link);
    }
  }
  // Stops `a -> b/../x`, `b -> .`: each stays inside alone, and both together do not.
  return made.flatMap((link) => {
    if (staysInside(fence, link)) return [link.entry];
    rmSync(link.place, { force: true });
    refuse(link.entry);
    return [];
  });
}

interface PlacedLink {
  readonly entry: TreeEntry;
  readonly place: string;
}

const staysInside = (fence: string, { entry, place }: PlacedLink): boolean =>
  traceSync(fence, dirname(place), entry.target.split('/'), { follow: true }).problem !== 'outside';

function makeLink({ entry, place }: PlacedLink): void {
  if (lstatSync(place, { throwIfNoEntry: false })?.isDirectory()) removeTreeSync(place);
  const partial = `${dirname(place)}/.gomote-${randomBytes(8).toString('hex')}`;
  symlinkSync(entry.target, partial);
  renameSync(partial, place);
}
