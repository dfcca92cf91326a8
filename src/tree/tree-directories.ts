// The directories that a change of a tree goes through. No symbolic link is followed below the tree's top: what stands
// in a directory's place is replaced by one, or stays and keeps out all that is below.
import { posix } from 'node:path';
import { GomoteError, isErrno } from '../errors.ts';
import { setLinkTime } from '../files/exact-time.ts';
import { chmodSync, lstatSync, mkdirSync, rmdirSync, unlinkSync } from '../files/named-fs.ts';
import { type OpenDirectory, setMode } from '../files/open-directory.ts';
import { OpenTree } from '../files/open-tree.ts';
import type { TreeChange } from '../protocol/tree-change.ts';
import { archiveErrors, withErrorsOf } from '../tar/archive-error.ts';

/** While things are put into it, a directory can be written by its owner. */
const workingMode = 0o700;
/** Of a directory that no entry describes; the umask applies. */
const impliedMode = 0o755;

export class TreeDirectories {
  readonly #tree: OpenTree;
  /** Those that have been entered, by path in the tree: they are there and writable. */
  readonly #known = new Set<string>(['.']);
  /** Those that were made, which may have their mode already. */
  readonly #made = new Set<string>();
  /** Modes to set at the end, by path in the tree. */
  readonly #modes = new Map<string, number>();
  readonly #replaces: boolean;

  /** `top` is the tree's own directory, closed by `close`; `replaces`: whether directories replace what is none. */
  constructor(top: OpenDirectory, replaces = true) {
    this.#tree = new OpenTree(top);
    this.#replaces = replaces;
  }

  close(): void {
    this.#tree.close();
  }

  moved(path: string): void {
    this.#tree.moved(path);
  }

  /** Where it is, for comparisons with what links lead to. */
  shown(path: string): string {
    return this.#tree.shown(path);
  }

  /**
   * A directory of the tree for system calls on what is in it, made if it is missing, and writable for now: to be used at
   * once. Throws ERR_CONFLICT where something else stands that is not replaced.
   */
  enter(path: string): string {
    if (!this.#known.has(path)) this.#makeSure(path);
    return this.#tree.directory(path).self;
  }

  #makeSure(path: string): void {
    this.enter(posix.dirname(path));
    const stats = lstatSync(this.#tree.at(path), { throwIfNoEntry: false });
    if (stats?.isDirectory() !== true) {
      if (stats !== undefined) {
        if (!this.#replaces)
          throw new GomoteError('ERR_CONFLICT', `${path} is not a directory here`);
        unlinkSync(this.#tree.at(path));
      }
      mkdirSync(this.#tree.at(path), impliedMode);
      this.#made.add(path);
    } else this.#unlock(path, stats.mode);
    this.#known.add(path);
  }

  /** Makes the directory, which has this mode at the end. */
  make(path: string, mode: number): void {
    this.enter(path);
    this.#modes.set(path, mode);
  }

  /** For system calls on what stands in a directory that exists; undefined when that does not. To be used at once. */
  find(path: string): string | undefined {
    const parent = posix.dirname(path);
    if (!this.#known.has(parent) && !this.#look(parent)) return undefined;
    return `${this.#tree.directory(parent).self}/${posix.basename(path)}`;
  }

  #look(path: string): boolean {
    const at = this.find(path);
    if (at === undefined) return false;
    const stats = lstatSync(at, { throwIfNoEntry: false });
    if (stats?.isDirectory() !== true) return false;
    this.#unlock(path, stats.mode);
    this.#known.add(path);
    return true;
  }

  #unlock(path: string, mode: number): void {
    if ((mode & workingMode) === workingMode) return;
    setMode(this.#tree.at(path), (mode & 0o7777) | workingMode);
    this.#modes.set(path, mode & 0o7777);
  }

  /** Says that the directory has been removed. */
  forget(path: string): void {
    this.#tree.forget(path);
    this.#known.delete(path);
    this.#modes.delete(path);
    this.#made.delete(path);
  }

  /** Sets the modes, deepest first: one may take away the right to reach what is below. */
  finish(): void {
    for (const [path, mode] of [...this.#modes].reverse()) {
      if (!this.#known.has(path)) continue;
      const { self } = this.#tree.directory(path);
      // A directory that was made has its mode most often: the umask, default ACLs and the mount decide.
      const isExact = this.#made.has(path) && (lstatSync(self).mode & 0o7777) === mode;
      if (!isExact) chmodSync(self, mode);
    }
  }
}

/** Removes an entry, a directory only if it is empty, or sets a file's mode or time. */
export function alterEntry(
  directories: TreeDirectories,
  change: Exclude<TreeChange, { op: 'write' }>,
): void {
  withErrorsOf(change.path, () => alter(directories, change));
}

function alter(directories: TreeDirectories, change: Exclude<TreeChange, { op: 'write' }>): void {
  const { path } = change;
  const found = directories.find(path);
  if (change.op === 'remove') {
    if (found !== undefined) removeEntry(directories, path, found);
    return;
  }
  if (found === undefined || lstatSync(found, { throwIfNoEntry: false })?.isFile() !== true) {
    throw archiveErrors.entry(path, 'it is not there any more');
  }
  if (change.op === 'mode') setMode(found, change.mode);
  else setLinkTime(found, new Date(change.mtimeMs));
}

function removeEntry(directories: TreeDirectories, path: string, found: string): void {
  const stats = lstatSync(found, { throwIfNoEntry: false });
  if (stats?.isDirectory() !== true) {
    if (stats !== undefined) unlinkSync(found);
    return;
  }
  try {
    rmdirSync(found);
    directories.forget(path);
  } catch (error) {
    // It still contains entries that were not sent from here.
    if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
  }
}
