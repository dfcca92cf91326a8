// What is in a directory, read with synchronous calls: names, kinds, and what tells whether a file has changed.
import { errnoOf, GomoteError, isErrno } from '../errors.ts';
import { lstatSync, type NamedEntry, readlinkSync, sortedEntries } from '../files/named-fs.ts';
import { directoryByPath } from '../files/open-directory.ts';
import { atIn, OpenTree, shownIn, type TreeTop } from '../files/open-tree.ts';
import { isReserved, stateDirectory } from '../files/reserved-names.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { localFileError } from '../tar/archive-error.ts';

/** An entry, as found, with what shows together with its size and time whether a file has changed. */
export interface FoundEntry extends TreeEntry {
  readonly ctimeMs: number;
  readonly ino: number;
}

interface WalkOptions {
  /** Called for each directory before it is listed; empty for the top. */
  readonly onEnter?: ((path: string) => void) | undefined;
  /** Called for each directory, with an empty path for the top, and with the names in it, before they are read. */
  readonly onDirectory?: ((path: string, names: readonly string[]) => void) | undefined;
  /** What to leave out, a directory with all that is in it. */
  readonly leaveOut?: ((path: string, isDirectory: boolean) => boolean) | undefined;
  /** Called for each FIFO, device and socket: a tree has none. */
  readonly onOther?: ((path: string) => void) | undefined;
  /**
   * Called for each entry that cannot be part of a tree, and why, by its path in the tree; the walk continues. Absent: the walk
   * fails.
   */
  readonly onProblem?: ((path: string, error: GomoteError) => void) | undefined;
}

/** Repositories are made where they are used: neither pushed nor pulled. */
export const isGit = (path: string): boolean => path === '.git' || path.endsWith('/.git');

/**
 * Everything below `top`, in the order of `comparePaths`, without digests. What goes meanwhile is left out. A tree that is
 * given by its path is the user's own.
 */
export function walkTree(top: TreeTop, options: WalkOptions = {}): FoundEntry[] {
  const found: FoundEntry[] = [];
  for (const entries of walkSteps(top, options)) found.push(...entries);
  return found;
}

/**
 * {@link walkTree} in steps: entries in order, a good many at a time, but never those of more than one directory. There is
 * a step without any after `onDirectory`.
 */
export function* walkSteps(
  top: TreeTop,
  options: WalkOptions = {},
): Generator<readonly FoundEntry[], void, void> {
  const tree = held(top);
  try {
    yield* directories(tree, '', options);
  } finally {
    if (tree !== top) tree.close();
  }
}

function held(top: TreeTop): OpenTree {
  try {
    return typeof top === 'string' ? new OpenTree(directoryByPath(top)) : top;
  } catch (error) {
    throw localFileError(String(top), error);
  }
}

function* directories(
  top: OpenTree,
  prefix: string,
  options: WalkOptions,
): Generator<readonly FoundEntry[], void, void> {
  const directory = prefix.slice(0, -1);
  options.onEnter?.(directory);
  const entries = tried(directory, options, () => entriesOf(top, directory));
  if (entries === undefined) return;
  if (options.onDirectory !== undefined) {
    options.onDirectory(
      directory,
      entries.map(({ name }) => name),
    );
    yield [];
  }
  let found: FoundEntry[] = [];
  for (const entry of entries) {
    const path = prefix + entry.name;
    if (options.leaveOut?.(path, entry.isDirectory()) === true) continue;
    if (isReserved(path)) {
      if (path === stateDirectory) options.onProblem?.(path, reservedName(path));
      continue;
    }
    const seen = tried(path, options, () => lookIn(top, directory, entry.name, path));
    if (seen === 'other') options.onOther?.(path);
    if (typeof seen !== 'object') continue;
    found.push(seen);
    if (seen.kind !== 'directory') continue;
    yield found;
    found = [];
    yield* directories(top, `${path}/`, options);
  }
  if (found.length > 0) yield found;
}

/** What `read` returns. What it throws goes to `onProblem`, if there is one; the top of the tree must be there. */
function tried<T>(path: string, { onProblem }: WalkOptions, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (onProblem === undefined || path === '' || !(error instanceof GomoteError)) throw error;
    const { cause } = error;
    onProblem(path, errnoOf(cause) === undefined ? error : localFileError(path, cause));
    return undefined;
  }
}

const reservedName = (path: string): GomoteError =>
  new GomoteError('ERR_PATH', `${path}: gomote keeps this name for itself`);

function entriesOf(top: OpenTree, path: string): NamedEntry[] {
  try {
    return sortedEntries(top.directory(path).self);
  } catch (error) {
    if (path !== '' && isGone(error)) return [];
    throw error instanceof GomoteError ? error : localFileError(top.shown(path), error);
  }
}

/** What stands at one path of the tree; `other` for what a tree cannot have, undefined for nothing. */
export function look(top: TreeTop, path: string): FoundEntry | 'other' | undefined {
  try {
    return foundAt(atIn(top, path), path);
  } catch (error) {
    return goneOrFailed(top, path, error);
  }
}

/** {@link look}, without a search for the directory in the path. */
function lookIn(
  top: OpenTree,
  directory: string,
  name: string,
  path: string,
): ReturnType<typeof look> {
  try {
    return foundAt(top.directory(directory).at(name), path);
  } catch (error) {
    return goneOrFailed(top, path, error);
  }
}

function foundAt(at: string, path: string): ReturnType<typeof look> {
  const stats = lstatSync(at, { throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const kind = kindOf(stats.mode);
  if (kind === undefined) return 'other';
  return {
    kind,
    path,
    mode: kind === 'symlink' ? 0 : stats.mode & 0o7777,
    size: kind === 'file' ? stats.size : 0,
    mtimeMs: Math.floor(stats.mtimeMs),
    digest: '',
    target: kind === 'symlink' ? readlinkSync(at) : '',
    ctimeMs: stats.ctimeMs,
    ino: stats.ino,
  };
}

function goneOrFailed(top: TreeTop, path: string, error: unknown): undefined {
  if (!isGone(error)) throw localFileError(shownIn(top, path), error);
}

/** What no system call finds too long below the path of a tree, whatever characters it has. */
const shortLength = 800;

/**
 * As {@link look}, by the entry's path, which takes half the time. Use it only where no single entry is sent: then a command
 * that swaps a directory and a link meanwhile learns nothing.
 */
export const lookByPath = (tree: OpenTree, path: string): ReturnType<typeof look> =>
  look(path.length < shortLength ? tree.top.path : tree, path);

function kindOf(mode: number): TreeEntry['kind'] | undefined {
  const type = mode & 0o170000;
  if (type === 0o100000) return 'file';
  if (type === 0o040000) return 'directory';
  return type === 0o120000 ? 'symlink' : undefined;
}

const isGone = (error: unknown): boolean => isErrno(error, 'ENOENT', 'ENOTDIR', 'EINVAL');
