// The symbolic links of a tree: created last, and only if they stay inside the root.
import { dirname } from 'node:path';
import { trace } from '../files/confine.ts';
import { renameSync, rmSync, symlinkSync } from '../files/named-fs.ts';
import { makeRoom, type Replaces } from '../files/put-in-place.ts';
import { partialName } from '../files/reserved-names.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { outsideLinkError } from '../tar/archive-error.ts';

interface TreeLinksOptions {
  readonly fence: string;
  /** For system calls on an entry; use it at once. */
  readonly placeOf: (entry: TreeEntry) => string;
  /** The absolute path of an entry's parent directory, which is created if missing. */
  readonly directoryOf: (entry: TreeEntry) => string;
  /** Creates one. Returns false when that failed and was reported. */
  readonly make: (entry: TreeEntry, calls: () => void) => boolean;
  /** Called before each is placed. A throw keeps the existing entry. */
  readonly allow: (entry: TreeEntry) => void;
  /** Whether a link replaces a directory. Default: yes. */
  readonly replaces: Replaces | undefined;
  /** Called for each that is skipped because it leads out. */
  readonly onOutsideLink?: ((entry: TreeEntry) => void) | undefined;
}

/** Creates the links and returns them. Without a listener, throws ERR_ARCHIVE and creates none when one leads out. */
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
  // Refuse `a -> b/../x` with `b -> .`: each alone stays inside, but both together do not.
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
  const partial = `${dirname(place)}/${partialName()}`;
  symlinkSync(entry.target, partial);
  try {
    renameSync(partial, place);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
