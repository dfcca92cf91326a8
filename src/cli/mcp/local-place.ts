// Paths of this machine that an agent names: inside the project, also by links.
import { relative, resolve, sep } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { isInside, resolveInside } from '../../files/confine.ts';

/** The absolute path of what is named relative to the root, a real path. Throws ERR_PATH for what is not in it. */
export function placeInRoot(root: string, given: string): string {
  const path = resolve(root, given);
  if (given.includes('\0') || !isInside(root, path)) throw outside(root, given);
  const inRoot = relative(root, path).split(sep).join('/');
  try {
    return resolveInside(root, inRoot === '' ? '.' : inRoot, { follow: true });
  } catch (error) {
    throw error instanceof GomoteError && error.code !== 'ERR_PATH' ? error : outside(root, given);
  }
}

const outside = (root: string, given: string): GomoteError =>
  new GomoteError('ERR_PATH', `"${given}" is not in ${root}`, {
    hint: 'name a path inside the project, relative to its top',
  });
