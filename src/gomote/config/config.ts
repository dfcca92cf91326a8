// Loads the configuration: config.toml, or the defaults without one.
import { join } from 'node:path';
import { localBackend } from '../../backends/open.ts';
import { builtInCatalogue } from '../../builders.ts';
import { errnoOf, GomoteError } from '../../errors.ts';
import { readTrustedFile } from '../../files/private-file.ts';
import { errnoText } from '../../protocol/process-state.ts';
import type { Config } from './config-file.ts';

/** The file that people edit, and the one of `gomote login`. */
const configPath = (directory: string): string => join(directory, 'config.toml');
export const loginsPath = (directory: string): string => join(directory, 'logins.toml');

/** Reads `config.toml` and `logins.toml` in the directory; throws ERR_CONFIG. */
export async function loadConfig(directory: string): Promise<Config> {
  const files = [configPath(directory), loginsPath(directory)].flatMap((path) => {
    const bytes = readOptional(path);
    return bytes === undefined ? [] : [{ path, bytes }];
  });
  if (files.length === 0) return withoutFile;
  // Load the parsers only if there is a file.
  const { parseConfig } = await import('./config-file.ts');
  return parseConfig(files);
}

function readOptional(path: string): Buffer | undefined {
  try {
    return readTrustedFile(path);
  } catch (error) {
    if (error instanceof GomoteError) throw error;
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new GomoteError('ERR_CONFIG', `cannot read ${path}: ${errnoText(errnoOf(error) ?? '')}`, {
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
