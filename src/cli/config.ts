// The configuration: config.toml, or what holds without one.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtInCatalogue, type Catalogue } from '../builders.ts';
import { errnoOf, GomoteError } from '../errors.ts';
import { errnoText } from '../protocol/process-state.ts';

export type BackendConfig =
  | { readonly kind: 'local'; readonly name: string }
  | {
      readonly kind: 'coordinator';
      readonly name: string;
      /** Origin only. */
      readonly url: string;
      /** Lower-case hex SHA-256 of the one certificate accepted. */
      readonly fingerprint?: string | undefined;
      readonly tokenFile?: string | undefined;
    };

export interface Config {
  readonly defaultBackend: string;
  readonly user?: string | undefined;
  readonly backends: ReadonlyMap<string, BackendConfig>;
  readonly catalogue: Catalogue;
}

/** The backend that needs no configuration. */
export const localBackend: BackendConfig = { kind: 'local', name: 'local' };

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

const withoutFile: Config = {
  defaultBackend: localBackend.name,
  backends: new Map([[localBackend.name, localBackend]]),
  catalogue: builtInCatalogue,
};
