// The line that names what makes a push large.
import type { TreeChange } from '../../protocol/tree-change.ts';
import { largestPaths } from '../../sync/largest-paths.ts';
import { formatBytes } from './format-bytes.ts';

/** How many of the largest are named. */
export const largestCount = 5;

/** `largest: a (1.2 MB), b (3 kB)`; of a directory with many files the directory. */
export const largestLine = (changes: readonly TreeChange[]): string =>
  `largest: ${largestPaths(changes, largestCount)
    .map(({ path, sizeBytes }) => `${path} (${formatBytes(sizeBytes)})`)
    .join(', ')}`;
