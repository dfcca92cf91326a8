// What a buildlet's commands have made of all that was pushed to it.
import type { BuildletClient } from '../client/buildlet-client.ts';
import { StatusError } from '../errors.ts';
import { belowDirectory, type TreeDifference } from '../protocol/tree-difference.ts';
import { wishedCompression } from './compression.ts';

/**
 * In the order of directories and paths, which are relative to the work dir; `onUnlisted` is told each line of a listing whose
 * name cannot be read.
 */
export async function diff(
  client: BuildletClient,
  signal: AbortSignal,
  onUnlisted: (line: string) => void = () => undefined,
): Promise<TreeDifference[]> {
  try {
    const compress = wishedCompression(client, 'auto');
    const trees = await client.trees();
    return await trees.differences(undefined, { signal, compress });
  } catch (error) {
    if (!(error instanceof StatusError && error.status === 404)) throw error;
  }
  const { BaseSource } = await import('./base-source.ts');
  const { readRecords } = await import('./base-listing.ts');
  const differences: TreeDifference[] = [];
  const { records } = await readRecords(client, signal);
  for (const { dir } of records) {
    const source = new BaseSource(client, { dir, signal, onWire: () => undefined });
    differences.push(...belowDirectory(dir, await source.differences()));
    for (const line of source.unlisted) onUnlisted(line);
  }
  return differences;
}
