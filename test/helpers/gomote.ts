// The library's porch with a configuration and local buildlets of its own, which end with the test.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Gomote } from '../../src/gomote/gomote.ts';
import { open } from '../../src/gomote/open.ts';
import type { OpenOptions } from '../../src/gomote/options.ts';
import { temporaryDirectory } from './temporary.ts';

export interface TestGomote {
  readonly gomote: Gomote;
  /** Where its configuration and all else is. */
  readonly directory: string;
  readonly environment: NodeJS.ProcessEnv;
}

export async function openTestGomote({
  config = '',
  ...options
}: { config?: string } & Omit<OpenOptions, 'config'> = {}): Promise<TestGomote> {
  const directory = temporaryDirectory();
  const environment = {
    PATH: process.env.PATH,
    HOME: directory,
    USER: 'me',
    XDG_RUNTIME_DIR: directory,
    ...options.environment,
  };
  const configDirectory = join(directory, '.config', 'gomote');
  mkdirSync(configDirectory, { recursive: true, mode: 0o700 });
  writeFileSync(join(configDirectory, 'config.toml'), config);
  const gomote = await open({ ...options, environment });
  onTestFinished(async () => {
    const local = await open({ backend: 'local', environment });
    const left = await local.list();
    await Promise.all(left.map(({ name }) => local.destroy(name)));
    await Promise.all([gomote.close(), local.close()]);
  });
  return { gomote, directory, environment };
}
