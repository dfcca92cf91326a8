// Renames a finished file to its final name, and replaces what has that name.
import { posix } from 'node:path';
import { errnoOf, GomoteError } from '../errors.ts';
import { cpSync, lstatSync, readEntriesSync, renameSync, rmSync } from './named-fs.ts';
import { removeTreeSync } from './remove-tree.ts';

/** Whether a file or link replaces a directory: with everything in it, only if it contains no file or link, or never. */
export type Replaces = boolean | 'empty';

/**
 * `partial` has a unique name that begins with a dot. Throws the system's errors, and ERR_CONFLICT for a
 * directory that is kept because of its content.
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

/** Removes the directory of this name, if there is one. Throws ERR_CONFLICT when it is kept because of its content. */
export function makeRoom(place: string, replaces: Replaces): void {
  if (!replaces || !lstatSync(place, { throwIfNoEntry: false })?.isDirectory()) return;
  const held = replaces === 'empty' ? firstIn(place) : undefined;
  if (held !== undefined) {
    throw new GomoteError('ERR_CONFLICT', `a directory is there, with ${held} in it`);
  }
  removeTreeSync(place);
}

/** The path of some entry in the directory that is not a directory. */
function firstIn(directory: string): string | undefined {
  for (const entry of readEntriesSync(directory)) {
    if (!entry.isDirectory()) return entry.name;
    const below = firstIn(`${directory}/${entry.name}`);
    if (below !== undefined) return `${entry.name}/${below}`;
  }
  return undefined;
}

/**
 * Copies a file, a link or a directory to another file system, where it appears complete. `from` stays.
 *
 * @param near An unused name beside the destination.
 */
export function copyAcross(from: string, place: string, near: string): void {
  try {
    cpSync(from, near, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    renameSync(near, place);
  } catch (error) {
    removeTreeSync(near);
    throw error;
  }
}
