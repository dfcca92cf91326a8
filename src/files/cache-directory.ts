// The cache directory, whose content can be recreated.
import { join } from 'node:path';
import { GomoteError } from '../errors.ts';
import { checkDirectory } from './private-directory.ts';
import { homeDirectory, userDirectory } from './user-directories.ts';

/**
 * `gomote` in the user's cache directory, or a directory `below` it; created if it is missing. Undefined where none
 * is safe from other users: then nothing is cached.
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
