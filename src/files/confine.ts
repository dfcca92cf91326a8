// Paths that stay inside a directory, whatever symbolic links stand on the way.

import type { Stats } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { errnoOf, GomoteError } from '../errors.ts';
import { quoted } from '../printable.ts';
import { errnoText } from '../protocol/process-state.ts';
import { elementsOf } from './file-name.ts';
import { lstatSync, readlinkSync, realpathSync } from './named-fs.ts';

interface ResolveOptions {
  /** Whether a symbolic link as the last element is followed, too; its target must then stay inside. Default: no. */
  follow?: boolean;
  /** What stands at a path. Default: what the system says. */
  look?: (path: string) => Look;
}

/** Where a walk ended, and why it may not be used. */
interface Trace {
  path: string;
  /** `outside`: it left the root. `loop`: its links never end. */
  problem?: 'outside' | 'loop';
}

/** What stands at a path: a link's target, `other` for anything else, undefined for nothing. */
export type Look = { target: string } | 'other' | undefined;

/** As many links as Linux follows in one path. */
const maxLinks = 40;

/** Whether `path` is `root` or below it; both in real form. */
export const isInside = (root: string, path: string): boolean =>
  path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);

/**
 * Walks `elements` from `start` as the kernel would. `root` and `start` are real paths. What does not exist is where it would
 * be made.
 */
export function trace(
  root: string,
  start: string,
  elements: readonly string[],
  { follow = false, look = lookAt }: ResolveOptions = {},
): Trace {
  let position = start;
  let missing = false;
  let links = 0;
  for (const [index, element] of elements.entries()) {
    const followed = follow || index < elements.length - 1;
    const pending = [element];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        // Stops `new/../..` in a link: what is made as `new` later decides where `..` leads.
        if (missing) return { path: position, problem: 'outside' };
        position = dirname(position);
        continue;
      }
      const next = join(position, name);
      const found: Look = missing || !followed ? 'other' : look(next);
      missing ||= found === undefined;
      if (typeof found !== 'object') {
        position = next;
        continue;
      }
      links++;
      // Stops `a -> b`, `b -> a`, which would be walked forever.
      if (links > maxLinks) return { path: next, problem: 'loop' };
      if (found.target.startsWith('/')) position = '/';
      pending.push(...found.target.split('/').reverse());
    }
    // Stops writing through a link that leaves the root, also one that another link of the path would undo:
    // what lies outside belongs to others, who may change it.
    if (!isInside(root, position)) return { path: position, problem: 'outside' };
  }
  return { path: position };
}

/**
 * Resolves `relative`, a path of the protocol, to an absolute path inside the directory `root`.
 *
 * Links on the way are followed as long as they stay inside the real path of `root`. What does not exist gives
 * the path it would have. Throws ERR_PATH for a path that is not the protocol's or that leaves `root`,
 * ERR_LOCAL_FILE when `root` is missing or a directory on the way may not be searched.
 */
export function resolveInside(
  root: string,
  relative: string,
  options: ResolveOptions = {},
): string {
  const elements = elementsOf(relative);
  const real = realRoot(root);
  return pathOf(trace(real, real, elements, options), relative);
}

/** The real path of a directory; throws ERR_LOCAL_FILE when it has none. */
export function realRoot(root: string): string {
  try {
    return realpathSync(root);
  } catch (error) {
    return fail('realpath', root, error);
  }
}

function pathOf(found: Trace, relative: string): string {
  if (found.problem === undefined) return found.path;
  const what =
    found.problem === 'loop'
      ? 'has too many levels of symbolic links'
      : 'leaves the directory through a symbolic link';
  throw new GomoteError('ERR_PATH', `path ${quoted(relative)} ${what}`);
}

export function lookAt(path: string): Look {
  try {
    const stats: Stats | undefined = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    return stats.isSymbolicLink() ? { target: readlinkSync(path) } : 'other';
  } catch (error) {
    return absent(path, error);
  }
}

/** Nothing is there, and nothing can be. */
const absentCodes = ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'];

function absent(path: string, error: unknown): undefined {
  if (absentCodes.includes(errnoOf(error) ?? '')) return undefined;
  return fail('lstat', path, error);
}

function fail(call: string, path: string, error: unknown): never {
  const reason = errnoText(errnoOf(error) ?? String(error));
  throw new GomoteError('ERR_LOCAL_FILE', `${call} ${path}: ${reason}`, { cause: error });
}
