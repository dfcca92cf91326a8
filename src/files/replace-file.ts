// Small files, private by default, which readers always see complete. For those that must survive a crash of the
// system, see write-whole.ts.
import { chmodSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withPath } from './local-error.ts';

/** Replaces the file. On failure, the old one is kept and nothing else is left. */
export function replaceFile(path: string, content: string | Uint8Array, mode = 0o600): void {
  const partial = `${path}.${process.pid}.new`;
  try {
    rmSync(partial, { force: true });
    writeFileSync(partial, content, { mode: 0o600, flag: 'wx' });
    if (mode !== 0o600) chmodSync(partial, mode);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw withPath(error, path);
  }
}

/** Removes files of a directory that have not been written for this long. */
export function removeOldFiles(directory: string, ageMs: number): void {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const found = statSync(path, { throwIfNoEntry: false });
    if (found?.isFile() && Date.now() - found.mtimeMs > ageMs) rmSync(path, { force: true });
  }
}
