// The directory for caches: what is in it can be found out again.
import { join } from 'node:path';
import { GomoteError } from '../errors.ts';
import { checkDirectory } from './private-directory.ts';
import { homeDirectory, userDirectory } from './user-directories.ts';

/**
 * `gomote` in this user's directory of caches, or a directory `below` that; made if it is missing. Undefined where none
 * can be had that is safe from other users: then nothing is kept.
 */
export function cacheDirectory(
  environment: NodeJS.ProcessEnv,
  ...below: readonly string[]
): string | undefined {
  try {
    const path = join(placeOf(environment), ...below);
    checkDirectory(path, { what: 'the cache', access: 'private', make: true, links: 'none' });
    return path;
  } catch (error) {
    if (error instanceof GomoteError) return undefined;
    throw error;
  }
}

function placeOf(environment: NodeJS.ProcessEnv): string {
  if (process.platform !== 'win32') {
    return join(userDirectory(environment, 'XDG_CACHE_HOME', '.cache'), 'gomote');
  }
  const { LOCALAPPDATA } = environment;
  const local = LOCALAPPDATA || join(homeDirectory(environment), 'AppData', 'Local');
  return join(local, 'Gomote', 'Cache');
}
