// The file system that a path is on, for messages of a full disk.
import { dirname } from 'node:path';
import { statSync } from './named-fs.ts';

/** Text to add to the message of a failed write: which file system is full. Empty for other failures. */
export function fullFileSystem(code: string | undefined, path: string): string {
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return '';
  return ` (on the file system at ${mountPointOf(path)}; remove something there)`;
}

function mountPointOf(path: string): string {
  let found = path;
  try {
    const { dev } = statSync(path);
    while (found !== dirname(found) && statSync(dirname(found)).dev === dev) found = dirname(found);
  } catch {
    // It is gone, or not accessible.
  }
  return found;
}
