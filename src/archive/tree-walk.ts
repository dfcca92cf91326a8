// What is in a directory, read with synchronous calls: names, kinds, and what tells whether a file has changed.
import type { Stats } from 'node:fs';
import { errnoOf, GomoteError } from '../errors.ts';
import { lstatSync, type NamedEntry, readlinkSync } from '../files/named-fs.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { localFileError } from './archive-error.ts';
import { sortedEntries } from './directory-names.ts';
import { isReserved, stateDirectory } from './reserved-names.ts';

/** An entry as it was found. */
export interface FoundEntry extends TreeEntry {
  readonly stats: Pick<Stats, 'size' | 'mtimeMs' | 'ctimeMs' | 'ino'>;
}

export interface WalkOptions {
  /** Told of each directory before it is listed, the top being empty. */
  readonly onEnter?: ((path: string) => void) | undefined;
  /** Told of each directory, the top being empty, and of the names in it, before they are asked about. */
  readonly onDirectory?: ((path: string, names: readonly string[]) => void) | undefined;
  /** What to leave out, a directory with all that is in it. */
  readonly leaveOut?: ((path: string, isDirectory: boolean) => boolean) | undefined;
  /** Told of each FIFO, device and socket: a tree has none. */
  readonly onOther?: ((path: string) => void) | undefined;
  /** Told of each entry that cannot be part of a tree, and why; the walk goes on. Absent: the walk fails. */
  readonly onProblem?: ((path: string, error: GomoteError) => void) | undefined;
}

/** Repositories are made where they are used: neither pushed nor pulled. */
export const isGit = (path: string): boolean => path === '.git' || path.endsWith('/.git');

/** Everything below `top`, in the order of `comparePaths`, without digests. What goes meanwhile is left out. */
export function walkTree(top: string, options: WalkOptions = {}): FoundEntry[] {
  const found: FoundEntry[] = [];
  for (const entries of walkSteps(top, options)) found.push(...entries);
  return found;
}

/**
 * {@link walkTree} in steps: entries in order, a good many at a time, but never those of more than one directory. There is
 * a step without any after `onDirectory`.
 */
export const walkSteps = (
  top: string,
  options: WalkOptions = {},
): Generator<readonly FoundEntry[], void, void> => directories(top, '', options);

function* directories(
  top: string,
  prefix: string,
  options: WalkOptions,
): Generator<readonly FoundEntry[], void, void> {
  options.onEnter?.(prefix.slice(0, -1));
  const entries = tried(prefix.slice(0, -1), options, () => entriesOf(top, prefix));
  if (entries === undefined) return;
  if (options.onDirectory !== undefined) {
    options.onDirectory(
      prefix.slice(0, -1),
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
    const seen = tried(path, options, () => look(top, path));
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

/** What `read` gives; what it throws is told of, where somebody wants to be told. The tree's own top must be there. */
function tried<T>(path: string, { onProblem }: WalkOptions, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (onProblem === undefined || path === '' || !(error instanceof GomoteError)) throw error;
    onProblem(path, error);
    return undefined;
  }
}

const reservedName = (path: string): GomoteError =>
  new GomoteError('ERR_PATH', `${path}: gomote keeps this name for itself`);

function entriesOf(top: string, prefix: string): NamedEntry[] {
  const directory = prefix === '' ? top : `${top}/${prefix}`;
  try {
    return sortedEntries(directory);
  } catch (error) {
    if (prefix !== '' && isGone(error)) return [];
    throw error instanceof GomoteError ? error : localFileError(directory, error);
  }
}

/** What stands at one path of the tree; `other` for what a tree cannot have, undefined for nothing. */
export function look(top: string, path: string): FoundEntry | 'other' | undefined {
  const absolute = `${top}/${path}`;
  try {
    const stats = lstatSync(absolute, { throwIfNoEntry: false });
    if (stats === undefined) return undefined;
    const kind = kindOf(stats.mode);
    if (kind === undefined) return 'other';
    const { size, mtimeMs, ctimeMs, ino } = stats;
    return {
      kind,
      path,
      mode: kind === 'symlink' ? 0 : stats.mode & 0o7777,
      size: kind === 'file' ? size : 0,
      mtimeMs: Math.floor(mtimeMs),
      digest: '',
      target: kind === 'symlink' ? readlinkSync(absolute) : '',
      stats: { size, mtimeMs, ctimeMs, ino },
    };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error instanceof GomoteError ? error : localFileError(absolute, error);
  }
}

function kindOf(mode: number): TreeEntry['kind'] | undefined {
  const type = mode & 0o170000;
  if (type === 0o100000) return 'file';
  if (type === 0o040000) return 'directory';
  return type === 0o120000 ? 'symlink' : undefined;
}

const isGone = (error: unknown): boolean => ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '');
