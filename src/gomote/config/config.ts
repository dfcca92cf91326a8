// Loads the configuration: config.toml, or the defaults without one.
import { join, resolve } from 'node:path';
import { localBackend } from '../../backends/open.ts';
import { builtInCatalogue } from '../../builders.ts';
import { errnoOf, GomoteError, isGomoteError } from '../../errors.ts';
import { checkDirectory } from '../../files/private-directory.ts';
import { readTrustedFile } from '../../files/private-file.ts';
import { homeDirectory, userDirectory } from '../../files/user-directories.ts';
import { errnoText } from '../../protocol/process-state.ts';
import type { Config } from './config-file.ts';

/** The file that people edit, and the one of `gomote login`. */
const configPath = (directory: string): string => join(directory, 'config.toml');
export const loginsPath = (directory: string): string => join(directory, 'logins.toml');

/** Reads `config.toml` and `logins.toml` in the directory; throws ERR_CONFIG. */
export async function loadConfig(directory: string): Promise<Config> {
  const files = [configPath(directory), loginsPath(directory)].flatMap((path) => {
    const bytes = readOptional(path, readTrustedFile);
    return bytes === undefined ? [] : [{ path, bytes }];
  });
  if (files.length === 0) return withoutFile;
  // Load the parsers only if there is a file.
  const { parseConfig } = await import('./config-file.ts');
  return parseConfig(files);
}

/** What `read` gives of the file; undefined where there is none. Throws ERR_CONFIG. */
export function readOptional<T>(path: string, read: (path: string) => T): T | undefined {
  try {
    return read(path);
  } catch (error) {
    if (isGomoteError(error)) throw error;
    const code = errnoOf(error) ?? '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new GomoteError('ERR_CONFIG', `cannot read ${path}: ${errnoText(code)}`, {
      hint: 'make it readable, or remove it',
      cause: error,
    });
  }
}

const withoutFile: Config = {
  defaultBackend: localBackend.name,
  backends: new Map([[localBackend.name, localBackend]]),
  catalogue: builtInCatalogue,
};

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
