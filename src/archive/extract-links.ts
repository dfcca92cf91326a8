// Symbolic links and FIFOs of one extraction. They are made last: nothing of the archive is written through a link
// that the archive itself brought.
import { execFile } from 'node:child_process';
import { chmodSync, lutimesSync, renameSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { promisify } from 'node:util';
import { archiveErrors } from './archive-error.ts';
import { traceSync } from './confine.ts';
import type { TarEntry } from './tar-reader.ts';

export interface DeferredEntry {
  entry: TarEntry;
  /** Real path of the directory to make it in. */
  parent: string;
  path: string;
}

/** Makes a FIFO at `partial` and gives it its name. */
export async function makeFifo({ entry, path }: DeferredEntry, partial: string): Promise<void> {
  await promisify(execFile)('mkfifo', ['-m', '600', '--', partial]);
  chmodSync(partial, entry.mode ?? 0o644);
  if (entry.mtime !== undefined) utimesSync(partial, entry.mtime, entry.mtime);
  renameSync(partial, path);
}

/** Makes a symbolic link at `partial` and gives it its name, unless it leads out of `root`, a real path. */
export function makeSymlink(root: string, deferred: DeferredEntry, partial: string): void {
  requireInside(root, deferred);
  const { entry, path } = deferred;
  symlinkSync(entry.linkTarget, partial);
  if (entry.mtime !== undefined) lutimesSync(partial, entry.mtime, entry.mtime);
  renameSync(partial, path);
}

/** Looks again at links already made: a later one may have changed where an earlier one leads. */
export function recheckSymlinks(root: string, links: readonly DeferredEntry[]): void {
  for (const link of links) {
    try {
      requireInside(root, link);
    } catch (error) {
      // Stops `a -> b/../x`, `b -> .`: each stays inside alone, and both together do not.
      for (const { path } of links) rmSync(path, { force: true });
      throw error;
    }
  }
}

function requireInside(root: string, { entry, parent }: DeferredEntry): void {
  const found = traceSync(root, parent, entry.linkTarget.split('/'), { follow: true });
  if (found.problem === 'outside') throw leadsOut(entry);
}

export const leadsOut = (entry: TarEntry): Error =>
  archiveErrors.entry(
    entry.name,
    `the symbolic link to ${JSON.stringify(entry.linkTarget)} leads out of the work dir`,
  );
