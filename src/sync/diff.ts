// How a buildlet's commands have changed everything that was pushed to it.
import type { BuildletClient } from '../client/buildlet-client.ts';
import { isStatus } from '../errors.ts';
import { belowDirectory, type TreeDifference } from '../protocol/tree-difference.ts';
import { specialFileText } from '../protocol/unread.ts';
import { chooseCompression } from './compression.ts';

/**
 * Sorted by directory and path, relative to the work directory; `onUnread` is called with what could not be read there, by
 * path or the line of a listing, and why.
 */
export async function diff(
  client: BuildletClient,
  signal: AbortSignal,
  onUnread: (path: string, reason: string) => void = () => undefined,
): Promise<TreeDifference[]> {
  const tell = (path: string, reason: string) => {
    // Other kinds have no content to compare.
    if (reason !== specialFileText) onUnread(path, reason);
  };
  try {
    const compress = chooseCompression(client, 'auto', { zstd: true });
    const trees = await client.trees();
    return await trees.differences(undefined, { signal, compress, onUnread: tell });
  } catch (error) {
    if (!isStatus(error, 404)) throw error;
  }
  const { BaseTree } = await import('./remote/base-tree.ts');
  const { readRecords } = await import('./remote/base-records.ts');
  const differences: TreeDifference[] = [];
  const { records } = await readRecords(client, signal);
  for (const { dir } of records) {
    const tree = new BaseTree(client, { dir, signal, compress: 'auto', onWire: () => undefined });
    differences.push(...belowDirectory(dir, await tree.differences()));
    for (const [path, reason] of tree.unread) tell(path, reason);
  }
  return differences;
}
