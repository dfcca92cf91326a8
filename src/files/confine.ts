// Paths that stay inside a directory, whatever symbolic links are on the way.
import type { Stats } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { GomoteError, isErrno } from '../errors.ts';
import { elementsOf, linkFaults, maxLinks, pathError } from './file-name.ts';
import { reasonOf } from './local-error.ts';
import { lstatSync, readlinkSync, realpathSync } from './named-fs.ts';

interface ResolveOptions {
  /** Whether a symbolic link as the last element is also followed; its target must stay inside. Default: no. */
  follow?: boolean;
  /** Looks up a path. Default: by the file system. */
  look?: (path: string) => LinkTarget;
}

/** Where a walk ended, and why it may not be used. */
interface Trace {
  path: string;
  /** `outside`: it left the root. `loop`: its links never end. */
  problem?: 'outside' | 'loop';
}

/** The result of a lookup: a link's target, `other` for anything else, undefined when nothing exists. */
export type LinkTarget = { target: string } | 'other' | undefined;

/** Whether `path` is `root` or below it; both in real form. */
export const isInside = (root: string, path: string): boolean =>
  path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);

/**
 * Walks `elements` from `start` as the kernel would. `root` and `start` are real paths. A missing element resolves to where it
 * would be created.
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
        // Refuse `new/../..` in a link: what is later created as `new` decides where `..` leads.
        if (missing) return { path: position, problem: 'outside' };
        position = dirname(position);
        continue;
      }
      const next = join(position, name);
      const found: LinkTarget = missing || !followed ? 'other' : look(next);
      missing ||= found === undefined;
      if (typeof found !== 'object') {
        position = next;
        continue;
      }
      links++;
      // Refuse `a -> b`, `b -> a`, which would never end.
      if (links > maxLinks) return { path: next, problem: 'loop' };
      if (found.target.startsWith('/')) position = '/';
      pending.push(...found.target.split('/').reverse());
    }
    // Refuse a link that leaves the root, even when another link of the path leads back:
    // others may change what lies outside.
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
  const { path, problem } = trace(real, real, elements, options);
  if (problem !== undefined) throw pathError(relative, linkFaults[problem]);
  return path;
}

/** The real path of a directory; throws ERR_LOCAL_FILE when it has none. */
export function realRoot(root: string): string {
  try {
    return realpathSync(root);
  } catch (error) {
    return fail('realpath', root, error);
  }
}

export function lookAt(path: string): LinkTarget {
  try {
    const stats: Stats | undefined = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    return stats.isSymbolicLink() ? { target: readlinkSync(path) } : 'other';
  } catch (error) {
    // The path does not exist, and cannot.
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENAMETOOLONG')) return undefined;
    return fail('lstat', path, error);
  }
}

function fail(call: string, path: string, error: unknown): never {
  const reason = reasonOf(error);
  throw new GomoteError('ERR_LOCAL_FILE', `${call} ${path}: ${reason}`, { cause: error });
}
