// The line that names the largest files of a push.
import type { TreeChange } from '../../protocol/tree-change.ts';
import { largestPaths } from '../../sync/largest-paths.ts';
import { formatBytes } from './format-bytes.ts';

/** How many files are named. */
export const largestCount = 5;

/** `largest: a (1.2 MB), b (3 kB)`; a directory with many files is one item. */
export const largestLine = (changes: readonly TreeChange[]): string =>
  `largest: ${largestPaths(changes, largestCount)
    .map(({ path, sizeBytes }) => `${path} (${formatBytes(sizeBytes)})`)
    .join(', ')}`;
