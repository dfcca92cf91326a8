// Removes a file or a whole directory with synchronous calls, also one with read-only directories in it.
import { join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { chmodSync, lstatSync, readdirSync, rmSync } from '../files/named-fs.ts';

/** Removes `path` and all below it, never through a link; an absent one is no error. */
export function removeTreeSync(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOTEMPTY'].includes(errnoOf(error) ?? '')) throw error;
    makeWritable(path);
    rmSync(path, { recursive: true, force: true });
  }
}

function makeWritable(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return;
  chmodSync(path, 0o700);
  for (const name of readdirSync(path)) makeWritable(join(path, name));
}
