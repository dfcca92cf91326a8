// Fetches into the current directory what the patterns of `--get` match.
import { currentDirectory } from '../../files/named-fs.ts';
import { fetchMatching } from '../transfer/fetch-matching.ts';
import type { Run } from './run.ts';

/** Throws when something that matches has not come. */
export async function fetchFiles({ buildlet, dir, options, context }: Run): Promise<void> {
  const { get = [] } = options;
  await fetchMatching(buildlet, { dir: dir || '.', into: currentDirectory(), get }, context);
}
