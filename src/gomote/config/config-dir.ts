// The directory of the configuration and the tokens.
import { join, resolve } from 'node:path';
import { checkDirectory } from '../../files/private-directory.ts';
import { homeDirectory, userDirectory } from '../../files/user-directories.ts';

/**
 * `$GOMOTE_CONFIG_DIR`, else `gomote` in the user's configuration directory, as Go's gomote has it. It need not be
 * there. Throws ERR_CONFIG when another user could write into it.
 */
export function configDir(environment: NodeJS.ProcessEnv, platform: string): string {
  const path = placeOf(environment, platform);
  const what = 'the configuration directory';
  const cure = 'set GOMOTE_CONFIG_DIR';
  checkDirectory(path, { what, cure, access: 'readable', links: 'anywhere' });
  return path;
}

function placeOf(environment: NodeJS.ProcessEnv, platform: string): string {
  const { GOMOTE_CONFIG_DIR, XDG_CONFIG_HOME, APPDATA } = environment;
  if (GOMOTE_CONFIG_DIR) return resolve(GOMOTE_CONFIG_DIR);
  if (platform !== 'win32') {
    if (XDG_CONFIG_HOME) return join(userDirectory(environment, 'XDG_CONFIG_HOME'), 'gomote');
    return join(homeDirectory(environment), '.config', 'gomote');
  }
  return join(APPDATA || join(homeDirectory(environment), 'AppData', 'Roaming'), 'Gomote');
}
