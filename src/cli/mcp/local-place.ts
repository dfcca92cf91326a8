// Checks local paths from the agent: they must be in the project, also after links are resolved.
import { relative, resolve, sep } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { isInside, resolveInside } from '../../files/confine.ts';

/** Resolves a path relative to the root, which is a real path. Throws ERR_PATH for paths outside it. */
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
