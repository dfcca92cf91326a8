// The configuration: config.toml, or what holds without one.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtInCatalogue, type Catalogue } from '../builders.ts';
import type { BackendConfig } from '../config/backends.ts';
import { errnoOf, GomoteError } from '../errors.ts';
import { errnoText } from '../protocol/process-state.ts';

export interface Config {
  readonly defaultBackend: string;
  readonly user?: string | undefined;
  readonly backends: ReadonlyMap<string, BackendConfig>;
  readonly catalogue: Catalogue;
}

/** Reads `config.toml` in the directory; throws ERR_CONFIG. */
export async function loadConfig(directory: string): Promise<Config> {
  const path = join(directory, 'config.toml');
  let bytes: Buffer;
  try {
    // Node's promises for files cost more to load than this file to read.
    bytes = readFileSync(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return withoutFile;
    throw new GomoteError('ERR_CONFIG', `cannot read ${path}: ${errnoText(errnoOf(error) ?? '')}`, {
      hint: 'make it readable, or remove it',
      cause: error,
    });
  }
  // The parsers cost start-up time that only users of a file pay.
  const { parseConfig } = await import('./config-file.ts');
  return parseConfig(path, bytes);
}

const localBackend: BackendConfig = { kind: 'local', name: 'local' };

const withoutFile: Config = {
  defaultBackend: 'local',
  backends: new Map([['local', localBackend]]),
  catalogue: builtInCatalogue,
};
