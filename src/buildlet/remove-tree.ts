// Removes a file or a whole directory, also one with read-only directories in it, and one too deep for a path.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf } from '../errors.ts';
import { chmod, lstat, readdir, rm } from '../files/named-fs.ts';

const run = promisify(execFile);

/** Removes `path` and all below it, never through a link; an absent one is no error. */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    const code = errnoOf(error) ?? '';
    // Node works with whole paths, which the kernel bounds; rm goes from directory to directory.
    if (code === 'ENAMETOOLONG') return void (await run('rm', ['-rf', '--', path]));
    // A directory without write permission, as in Go's module cache, keeps its files from their owner.
    if (!['EACCES', 'EPERM', 'ENOTEMPTY'].includes(code)) throw error;
    await makeWritable(path);
    await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Removes all that is in the directory, and leaves it. */
export async function emptyDirectory(path: string): Promise<void> {
  for (const name of await readdir(path)) await removeTree(join(path, name));
}

async function makeWritable(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) return;
  await chmod(path, 0o700);
  for (const name of await readdir(path)) await makeWritable(join(path, name));
}
