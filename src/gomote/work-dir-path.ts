// Checks paths on a buildlet that a caller passes.
import { GomoteError } from '../errors.ts';
import { normalizeRelativePath } from '../protocol/relative-path.ts';
import { checkText } from './arguments.ts';

/** Throws ERR_PATH unless a path on the buildlet, given as `what`, is in the work directory. */
export function checkInside(what: string, path: string): void {
  checkText(what, path);
  if (normalizeRelativePath(path, 'linux') !== undefined) return;
  throw new GomoteError('ERR_PATH', `${what} "${path}" leaves the work directory`, {
    hint: 'give a path relative to it',
  });
}

/** Like {@link checkInside}, and throws ERR_PATH for an empty path, which would be the work directory itself. */
export function checkNamed(what: string, path: string): void {
  checkInside(what, path);
  if (path !== '') return;
  throw new GomoteError('ERR_PATH', `${what} "" has no name`, {
    hint: 'give a path relative to the work directory',
  });
}

/** Normalizes a directory. Throws ERR_PATH when it is outside the work directory, ERR_USAGE when it is invalid. */
export function directoryInside(what: string, given: string): string {
  checkInside(what, given);
  const dir = normalizeRelativePath(given);
  if (dir !== undefined && dir !== '') return dir;
  throw new GomoteError(
    'ERR_USAGE',
    `bad ${what === 'the directory' ? 'directory' : what} "${given}"`,
    {
      hint: 'give a path relative to the work directory, or . for the work directory itself',
    },
  );
}
