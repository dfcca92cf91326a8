// Where what can be found out again is kept.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `gomote` in the user's directory of caches. */
export function cacheDir(environment: NodeJS.ProcessEnv, platform: string): string {
  const home = environment.HOME || homedir();
  if (platform === 'win32') {
    return join(environment.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'Gomote', 'Cache');
  }
  return join(environment.XDG_CACHE_HOME || join(home, '.cache'), 'gomote');
}
