// The directories of one tree, held open while they are in use. No link is followed below the top.
import { holdThroughLinks, type OpenDirectory } from './open-directory.ts';

/** The maximum number of open directories of a tree. Others are opened again when needed. */
const maxHeld = 64;
/** Longer than any useful path; following longer ones would take very long. */
const maxPathLength = 1 << 16;

/** A tree by its path, or already open. */
export type TreeTop = string | OpenTree;

export class OpenTree {
  /** The tree itself when it is open. Opens a path, whose last element may be a link; the caller closes that. */
  static of(top: TreeTop): OpenTree {
    return typeof top === 'string' ? new OpenTree(holdThroughLinks(top)) : top;
  }

  readonly top: OpenDirectory;
  /** By path in the tree, the most recently used last. */
  readonly #held = new Map<string, OpenDirectory>();
  #lastPath = '';
  #last: OpenDirectory;

  /** Whether closing this also closes `top`. */
  constructor(top: OpenDirectory) {
    this.top = top;
    this.#last = top;
  }

  /**
   * The directory at a path in the tree, empty or `.` for the top. The next call may close it: use it at once. Throws as
   * `open` does: ENOENT, or ENOTDIR when something else is there, also a link.
   */
  directory(path: string): OpenDirectory {
    if (path === this.#lastPath) return this.#last;
    const found = this.#find(path);
    this.#lastPath = path;
    this.#last = found;
    return found;
  }

  #find(path: string): OpenDirectory {
    if (path === '' || path === '.') return this.top;
    const known = this.#held.get(path);
    if (known !== undefined) {
      this.#held.delete(path);
      this.#held.set(path, known);
      return known;
    }
    if (path.length > maxPathLength) {
      throw Object.assign(new Error('ENAMETOOLONG: name too long'), { code: 'ENAMETOOLONG' });
    }
    const slash = path.lastIndexOf('/');
    const opened = this.#find(path.slice(0, Math.max(slash, 0))).child(path.slice(slash + 1));
    this.#held.set(path, opened);
    if (this.#held.size > maxHeld) this.#closeOldest();
    return opened;
  }

  #closeOldest(): void {
    const [path] = this.#held.keys();
    if (path !== undefined) this.#drop(path);
  }

  /** For a system call on this path in the tree. Use it at once, as with {@link directory}. */
  at(path: string): string {
    const slash = path.lastIndexOf('/');
    return slash < 0
      ? this.top.at(path)
      : this.directory(path.slice(0, slash)).at(path.slice(slash + 1));
  }

  /** The absolute path for messages. */
  shown(path: string): string {
    return path === '' || path === '.' ? this.top.path : `${this.top.path}/${path}`;
  }

  /** Forgets the directory at this path and those below it, because it may be replaced. */
  forget(path: string): void {
    for (const held of [...this.#held.keys()]) {
      if (held === path || held.startsWith(`${path}/`)) this.#drop(held);
    }
  }

  /** Says that the tree was renamed. */
  moved(path: string): void {
    if (this.top.moved === undefined) return;
    for (const held of [...this.#held.keys()]) this.#drop(held);
    this.top.moved(path);
  }

  #drop(path: string): void {
    if (this.#lastPath === path) {
      this.#lastPath = '';
      this.#last = this.top;
    }
    this.#held.get(path)?.close();
    this.#held.delete(path);
  }

  close(): void {
    for (const directory of this.#held.values()) directory.close();
    this.#held.clear();
    this.#lastPath = '';
    this.#last = this.top;
    this.top.close();
  }
}

/** For a system call on this path in the tree, see {@link OpenTree.at}. */
export const atIn = (top: TreeTop, path: string): string =>
  typeof top === 'string' ? `${top}/${path}` : top.at(path);

/** The absolute path for messages. */
export const shownIn = (top: TreeTop, path: string): string =>
  typeof top === 'string' ? `${top}/${path}` : top.shown(path);
