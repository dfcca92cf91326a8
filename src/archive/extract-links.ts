// Symbolic links and FIFOs of one extraction.
import { execFileSync } from 'node:child_process';
import { traceSync } from '../files/confine.ts';
import {
  chmodSync,
  lstatSync,
  lutimesSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
} from '../files/named-fs.ts';
import { archiveErrors } from './archive-error.ts';
import { directoryInPlace, move } from './placement.ts';
import type { TarEntry } from './tar-reader.ts';

/** A link and its final place. */
export interface PlacedLink {
  entry: TarEntry;
  /** Real path of the directory to make it in. */
  parent: string;
  path: string;
}

export function makeFifo(entry: TarEntry, path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats?.isDirectory()) throw directoryInPlace(entry.name);
  if (stats !== undefined) unlinkSync(path);
  execFileSync('mkfifo', ['-m', '600', '--', path], { stdio: ['ignore', 'ignore', 'pipe'] });
  chmodSync(path, entry.mode ?? 0o644);
  if (entry.mtime !== undefined) utimesSync(path, entry.mtime, entry.mtime);
}

/** Makes a symbolic link at `partial` and gives it its name, unless it leads out of `root`, a real path. */
export function makeSymlink(root: string, link: PlacedLink, partial: string): void {
  requireInside(root, link);
  const { entry, path } = link;
  symlinkSync(entry.linkTarget, partial);
  if (entry.mtime !== undefined) lutimesSync(partial, entry.mtime, entry.mtime);
  move(partial, path);
}

/** Looks again at links already made: a later one may have changed where an earlier one leads. */
export function recheckSymlinks(root: string, links: readonly PlacedLink[]): void {
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

function requireInside(root: string, { entry, parent }: PlacedLink): void {
  const found = traceSync(root, parent, entry.linkTarget.split('/'), { follow: true });
  if (found.problem === 'outside') throw leadsOut(entry);
}

export const leadsOut = (entry: TarEntry): Error =>
  archiveErrors.entry(
    entry.name,
    `the symbolic link to ${JSON.stringify(entry.linkTarget)} leads out of the work dir`,
  );
