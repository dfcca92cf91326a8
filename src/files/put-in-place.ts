// Gives a finished file the name that it is for, whatever has that name.
import { posix } from 'node:path';
import { errnoOf } from '../errors.ts';
import { copyFileSync, renameSync, rmSync } from './named-fs.ts';
import { removeTreeSync } from './remove-tree.ts';

/**
 * `partial` has a name that begins with a dot and is nobody else's. Unless it `replaces`, a directory that has the name
 * stays. Throws what the system says.
 */
export function putInPlace(partial: string, place: string, replaces = true): void {
  try {
    renameSync(partial, place);
  } catch (error) {
    const code = errnoOf(error) ?? '';
    if (code === 'EXDEV') moveAcross(partial, place);
    else if (replaces && ['EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(code)) {
      removeTreeSync(place);
      renameSync(partial, place);
    } else throw error;
  }
}

/** Another file system is mounted where the file belongs. */
function moveAcross(partial: string, place: string): void {
  const near = `${place}${posix.basename(partial)}`;
  try {
    copyFileSync(partial, near);
    renameSync(near, place);
  } finally {
    rmSync(near, { force: true });
  }
  rmSync(partial);
}
