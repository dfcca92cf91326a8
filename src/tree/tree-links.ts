// The symbolic links of a tree: made last, and only those that stay inside the root.
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { trace } from '../files/confine.ts';
import { renameSync, rmSync, symlinkSync } from '../files/named-fs.ts';
import { makeRoom, type Replaces } from '../files/put-in-place.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { outsideLinkError } from '../tar/archive-error.ts';

interface TreeLinksOptions {
  /** What no link may lead out of. */
  readonly fence: string;
  /** For system calls on an entry, to be used at once. */
  readonly placeOf: (entry: TreeEntry) => string;
  /** The absolute path of the directory that an entry is in, which it makes sure of. */
  readonly directoryOf: (entry: TreeEntry) => string;
  /** Makes one; false when that has failed and was reported. */
  readonly make: (entry: TreeEntry, calls: () => void) => boolean;
  /** Asked before each gets its place; a throw keeps what is there. */
  readonly allow: (entry: TreeEntry) => void;
  /** Whether a directory makes room for one. Default: yes. */
  readonly replaces: Replaces | undefined;
  /** Called for each that is not made because it leads out. */
  readonly onOutsideLink?: ((entry: TreeEntry) => void) | undefined;
}

/** Makes the links and gives them. Throws ERR_ARCHIVE, leaving none, when one leads out and there is no listener for it. */
export function makeTreeLinks(
  entries: readonly TreeEntry[],
  options: TreeLinksOptions,
): TreeEntry[] {
  const { onOutsideLink } = options;
  const made: { entry: TreeEntry }[] = [];
  const refuse = (entry: TreeEntry) => {
    if (onOutsideLink !== undefined) return onOutsideLink(entry);
    for (const link of made) rmSync(options.placeOf(link.entry), { force: true });
    throw outsideLinkError(entry.path, entry.target);
  };
  for (const entry of entries) {
    options.make(entry, () => {
      if (!staysInside(options, entry)) return refuse(entry);
      options.allow(entry);
      makeLink(entry, options.placeOf(entry), options.replaces);
      made.push({ entry });
    });
  }
  // Stops `a -> b/../x`, `b -> .`: each stays inside alone, and both together do not.
  return made.flatMap((link) => {
    if (staysInside(options, link.entry)) return [link.entry];
    rmSync(options.placeOf(link.entry), { force: true });
    refuse(link.entry);
    return [];
  });
}

const staysInside = ({ fence, directoryOf }: TreeLinksOptions, entry: TreeEntry): boolean =>
  trace(fence, directoryOf(entry), entry.target.split('/'), { follow: true }).problem !== 'outside';

function makeLink(entry: TreeEntry, place: string, replaces: Replaces = true): void {
  makeRoom(place, replaces);
  const partial = `${dirname(place)}/.gomote-${randomBytes(8).toString('hex')}`;
  symlinkSync(entry.target, partial);
  try {
    renameSync(partial, place);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
