// Applies changes to existing entries of a tree.
import { errnoOf } from '../errors.ts';
import { setLinkTime } from '../files/exact-time.ts';
import { lstatSync, rmdirSync, unlinkSync } from '../files/named-fs.ts';
import { setMode } from '../files/open-directory.ts';
import type { TreeChange } from '../protocol/tree-change.ts';
import { archiveErrors, withErrorsOf } from '../tar/archive-error.ts';
import type { TreeDirectories } from './tree-directories.ts';

/** Removes an entry, a directory only if it is empty, or sets a file's mode or time. */
export function alterEntry(
  directories: TreeDirectories,
  change: Exclude<TreeChange, { op: 'write' }>,
): void {
  withErrorsOf(change.path, () => alter(directories, change));
}

function alter(directories: TreeDirectories, change: Exclude<TreeChange, { op: 'write' }>): void {
  const { path } = change;
  const found = directories.find(path);
  if (change.op === 'remove') {
    if (found !== undefined) removeEntry(directories, path, found);
    return;
  }
  if (found === undefined || lstatSync(found, { throwIfNoEntry: false })?.isFile() !== true) {
    throw archiveErrors.entry(path, 'it is not there any more');
  }
  if (change.op === 'mode') setMode(found, change.mode);
  else setLinkTime(found, new Date(change.mtimeMs));
}

function removeEntry(directories: TreeDirectories, path: string, found: string): void {
  const stats = lstatSync(found, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) {
    if (stats !== undefined) unlinkSync(found);
    return;
  }
  try {
    rmdirSync(found);
    directories.forget(path);
  } catch (error) {
    // It still contains entries that were not sent from here.
    if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
  }
}
