// Reserved names in a work directory, which are not part of any tree.
import { randomBytes } from 'node:crypto';

/** At the top of the work directory: records of pushed trees. Neither listed nor packed. */
export const stateDirectory = '.gomote';

/** In a project, for the user's own settings: neither pushed nor pulled. */
export const ownDirectory = stateDirectory;

/** Whether the path is such a directory, or inside one. */
export const isOwn = (path: string): boolean => path.split('/').includes(ownDirectory);

/** Whether an entry below a tree is the state of the work directory, or incomplete. */
export const isReserved = (path: string): boolean =>
  path.includes(stateDirectory) && reserved.test(path);

const reserved = /^\.gomote(?:$|\/)|(?:^|\/)\.gomote-(?:push-)?[0-9a-f]{8}/;

/** A name for something incomplete in a tree: reserved, and unique. */
export const partialName = (): string => `.gomote-${randomBytes(8).toString('hex')}`;
