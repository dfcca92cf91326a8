// Gives a finished file its final name, and replaces what has that name.
import { posix } from 'node:path';
import { errnoOf, GomoteError } from '../errors.ts';
import { copyAcross } from './copy-across.ts';
import { lstatSync, readEntriesSync, renameSync, rmSync } from './named-fs.ts';
import { removeTreeSync } from './remove-tree.ts';

/** Whether a directory makes room for a file or link: with all that is in it, only if no file or link is in it, or never. */
export type Replaces = boolean | 'empty';

/**
 * `partial` has a name that begins with a dot and is nobody else's. Throws what the system says, and ERR_CONFLICT for a
 * directory that stays because of what is in it.
 */
export function putInPlace(partial: string, place: string, replaces: Replaces = true): void {
  try {
    renameSync(partial, place);
  } catch (error) {
    const code = errnoOf(error) ?? '';
    if (code === 'EXDEV') {
      copyAcross(partial, place, `${place}${posix.basename(partial)}`);
      rmSync(partial);
    } else if (replaces && ['EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(code)) {
      makeRoom(place, replaces);
      renameSync(partial, place);
    } else throw error;
  }
}

/** Removes the directory that has the name, if one has it. Throws ERR_CONFLICT when it stays for what is in it. */
export function makeRoom(place: string, replaces: Replaces): void {
  if (!replaces || !lstatSync(place, { throwIfNoEntry: false })?.isDirectory()) return;
  const held = replaces === 'empty' ? firstIn(place) : undefined;
  if (held !== undefined) {
    throw new GomoteError('ERR_CONFLICT', `a directory is there, with ${held} in it`);
  }
  removeTreeSync(place);
}

/** Something in the directory that is no directory, by its path in it. */
function firstIn(directory: string): string | undefined {
  for (const entry of readEntriesSync(directory)) {
    if (!entry.isDirectory()) return entry.name;
    const below = firstIn(`${directory}/${entry.name}`);
    if (below !== undefined) return `${entry.name}/${below}`;
  }
  return undefined;
}
