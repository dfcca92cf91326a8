// The directories that a change of a tree goes through. No symbolic link is followed below the tree's top: what stands
// in a directory's place is replaced by one, or stays and keeps out all that is below.
import { posix } from 'node:path';
import { GomoteError } from '../errors.ts';
import { chmodSync, lstatSync, mkdirSync, unlinkSync } from '../files/named-fs.ts';

/** While things are put into it, a directory can be written by its owner. */
const workingMode = 0o700;
/** Of a directory that no entry describes; the umask applies. */
const impliedMode = 0o755;

export class TreeDirectories {
  /** Absolute paths of directories known to be real, by path in the tree. */
  readonly #known = new Map<string, string>();
  /** Those that were made, which may have their mode already. */
  readonly #made = new Set<string>();
  /** Whether those have `impliedMode`, as far as that is known. */
  #isModeExact: boolean | undefined;
  /** Modes to set at the end, by path in the tree. */
  readonly #modes = new Map<string, number>();

  readonly #replaces: boolean;

  /** `top` is the absolute path of the tree, a real directory; `replaces`: whether directories replace what is none. */
  constructor(top: string, replaces = true) {
    this.#known.set('.', top);
    this.#replaces = replaces;
  }

  /**
   * The absolute path of a directory in the tree, made if it is missing, and writable for now. Throws ERR_CONFLICT where
   * something else stands that is not replaced.
   */
  enter(path: string): string {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const absolute = `${this.enter(posix.dirname(path))}/${posix.basename(path)}`;
    const stats = lstatSync(absolute, { throwIfNoEntry: false });
    if (stats?.isDirectory() !== true) {
      if (stats !== undefined) {
        if (!this.#replaces) throw new GomoteError('ERR_CONFLICT', `${path} is no directory here`);
        unlinkSync(absolute);
      }
      mkdirSync(absolute, impliedMode);
      this.#made.add(path);
    } else this.#unlock(path, absolute, stats.mode);
    this.#known.set(path, absolute);
    return absolute;
  }

  /** Makes the directory, which has this mode at the end. */
  make(path: string, mode: number): void {
    this.enter(path);
    this.#modes.set(path, mode);
  }

  /** The absolute path of what stands in a directory that exists, to be removed; undefined when that does not. */
  find(path: string): string | undefined {
    const parent = posix.dirname(path);
    const directory = this.#known.get(parent) ?? this.#look(parent);
    return directory === undefined ? undefined : `${directory}/${posix.basename(path)}`;
  }

  #look(path: string): string | undefined {
    const absolute = this.find(path);
    if (absolute === undefined) return undefined;
    const stats = lstatSync(absolute, { throwIfNoEntry: false });
    if (stats?.isDirectory() !== true) return undefined;
    this.#unlock(path, absolute, stats.mode);
    this.#known.set(path, absolute);
    return absolute;
  }

  #unlock(path: string, absolute: string, mode: number): void {
    if ((mode & workingMode) === workingMode) return;
    chmodSync(absolute, (mode & 0o7777) | workingMode);
    this.#modes.set(path, mode & 0o7777);
  }

  /** Says that the directory has been removed. */
  forget(path: string): void {
    this.#known.delete(path);
    this.#modes.delete(path);
    this.#made.delete(path);
  }

  /** Sets the modes, deepest first: one may take away the right to reach what is below. */
  finish(): void {
    for (const [path, mode] of [...this.#modes].reverse()) {
      const absolute = this.#known.get(path);
      if (absolute === undefined) continue;
      if (mode !== impliedMode || !this.#hasImpliedMode(path, absolute)) chmodSync(absolute, mode);
    }
  }

  #hasImpliedMode(path: string, absolute: string): boolean {
    if (!this.#made.has(path)) return false;
    this.#isModeExact ??= (lstatSync(absolute).mode & 0o7777) === impliedMode;
    return this.#isModeExact;
  }

  /** Says that the tree has moved. */
  moveTop(from: string, to: string): void {
    for (const [path, absolute] of this.#known) {
      this.#known.set(path, to + absolute.slice(from.length));
    }
  }
}
