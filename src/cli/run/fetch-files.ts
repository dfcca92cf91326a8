// Fetches into the current directory what the patterns of `--get` and `--require` match; of several buildlets, into one for each.
import { join } from 'node:path';
import { currentDirectory } from '../../files/named-fs.ts';
import { fetchMatching } from '../transfer/fetch-matching.ts';
import type { Run } from './run.ts';

/** Throws when a matching file could not be fetched, or a required one is missing. */
export async function fetchFiles({ buildlet, dir, options, context }: Run): Promise<void> {
  const { get = [], require = [] } = options;
  const into = join(currentDirectory(), context.ownName ?? '');
  await fetchMatching(buildlet, { dir: dir || '.', into, get, require }, context);
}
