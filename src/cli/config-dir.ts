// Where the configuration and the tokens are.
import { homedir } from 'node:os';
import { join } from 'node:path';

/** `$GOMOTE_CONFIG_DIR`, else `gomote` in the user's configuration directory, as Go's gomote has it. */
export function configDir(environment: NodeJS.ProcessEnv, platform: string): string {
  if (environment.GOMOTE_CONFIG_DIR) return environment.GOMOTE_CONFIG_DIR;
  const home = environment.HOME || homedir();
  if (platform === 'win32') {
    return join(environment.APPDATA || join(home, 'AppData', 'Roaming'), 'Gomote');
  }
  return join(environment.XDG_CONFIG_HOME || join(home, '.config'), 'gomote');
}
