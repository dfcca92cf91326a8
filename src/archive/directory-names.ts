// What a directory holds, in the order of the protocol.
import { isUtf8 } from 'node:buffer';
import { type Dirent, readdirSync, readlinkSync } from 'node:fs';
import { compareBytes } from '../protocol/relative-path.ts';
import { archiveErrors } from './archive-error.ts';

/** The entries sorted by name as bytes. Throws ERR_ARCHIVE when a name is not UTF-8, else what readdir throws. */
export function sortedEntries(directory: string): Dirent[] {
  const entries = readdirSync(directory, { withFileTypes: true });
  const odd = entries.filter(({ name }) => /[\ud800-\uffff]/.test(name));
  if (odd.some(({ name }) => name.includes('\uFFFD'))) requireUtf8(directory);
  // Without such characters, the language's own order is the same, and much faster.
  return odd.length > 0
    ? entries.sort((a, b) => compareBytes(a.name, b.name))
    : entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The target of a symbolic link. Throws ERR_ARCHIVE when it is not UTF-8, else what readlink throws. */
export function linkTargetOf(path: string): string {
  const target = readlinkSync(path);
  if (target.includes('\uFFFD') && !isUtf8(readlinkSync(path, { encoding: 'buffer' }))) {
    throw archiveErrors.unpackable(path, 'its target is not UTF-8');
  }
  return target;
}

/** Node decodes a byte that is not UTF-8 as U+FFFD, under which name the file would not be found. */
function requireUtf8(directory: string): void {
  if (readdirSync(directory, { encoding: 'buffer' }).every((name) => isUtf8(name))) return;
  throw archiveErrors.unpackable(directory, 'holds a file name that is not UTF-8');
}
