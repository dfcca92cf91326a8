// Walks to a path below a directory, element by element, holding each directory open: whatever is swapped meanwhile,
// the result is below that directory. Links on the way are resolved by their text, and must stay inside.
import type { Stats } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf, type GomoteError, isErrno } from '../errors.ts';
import { elementsOf, linkFaults, maxLinks, pathError } from './file-name.ts';
import { lstatSync, mkdirSync, readlinkSync } from './named-fs.ts';
import {
  bestAccess,
  type DirectoryAccess,
  type OpenDirectory,
  openDirectory,
} from './open-directory.ts';
import { OpenTree } from './open-tree.ts';

interface ReachOptions {
  /** Whether a symbolic link as the last element is followed, too. Default: no. */
  readonly follow?: boolean;
  /** The mode of missing directories to create: those before the last element, or `all`. Default: none are created. */
  readonly make?: {
    readonly mode: number;
    readonly all?: boolean;
    /** Called with the path of each directory that is created. */
    readonly onMake?: (path: string) => void;
  };
  readonly how?: DirectoryAccess;
}

/** A path below a directory, whose parent directory is held open until `close`. */
export interface Place {
  readonly directory: OpenDirectory;
  /** The name in the parent directory; `.` for that directory itself. */
  readonly name: string;
  /** Its absolute path, for messages. */
  readonly path: string;
  /** For a system call on it that does not follow links. */
  readonly at: string;
  close(): void;
}

/** Each is held open. */
const maxDepth = 1024;

/**
 * Walks to `relative`, a path of the protocol, below the directory `root`, an absolute path without links.
 *
 * Throws ERR_PATH for a path that is not the protocol's or that leaves `root`, and the system's error when a directory
 * on the way is missing, is not a directory, or may not be searched.
 */
export function reach(root: string, relative: string, options: ReachOptions = {}): Place {
  const walk = new Walk(root, relative, options);
  try {
    return walk.run();
  } catch (error) {
    walk.close();
    throw error;
  }
}

/** {@link reach} of a directory, links followed. Throws as `open` does when something else is there. */
export function reachDirectory(
  root: string,
  relative: string,
  options: Omit<ReachOptions, 'follow'> = {},
): OpenDirectory {
  const place = reach(root, relative, { ...options, follow: true });
  if (place.name === '.') return place.directory;
  try {
    return place.directory.child(place.name);
  } finally {
    place.close();
  }
}

/** A directory with everything below it; or another entry, by its name in its parent directory. */
export interface Reached {
  readonly tree: OpenTree;
  readonly single?: { readonly name: string; readonly stats: Stats };
}

/** {@link reach} of what is there, links followed; `tree` is to be closed. Throws as `lstat` does, too. */
export function reachTree(root: string, relative: string): Reached {
  const place = reach(root, relative, { follow: true });
  try {
    const { directory, name } = place;
    const stats = lstatSync(place.at);
    if (!stats.isDirectory()) return { tree: new OpenTree(directory), single: { name, stats } };
    if (name === '.') return { tree: new OpenTree(directory) };
    const tree = new OpenTree(directory.child(name));
    place.close();
    return { tree };
  } catch (error) {
    place.close();
    throw error;
  }
}

class Walk {
  readonly #root: string;
  readonly #relative: string;
  readonly #options: ReachOptions;
  readonly #how: DirectoryAccess;
  readonly #identity: string;
  /** The directories walked through: from the root, or from `/` while a link leads outside. */
  #through: OpenDirectory[];
  #isInside = true;
  #links = 0;

  constructor(root: string, relative: string, options: ReachOptions) {
    this.#root = root;
    this.#relative = relative;
    this.#options = options;
    this.#how = options.how ?? bestAccess;
    const held = openDirectory(root, this.#how);
    this.#identity = held.identity;
    this.#through = [held];
  }

  run(): Place {
    const { follow = false, make } = this.#options;
    const elements = elementsOf(this.#relative);
    for (const [index, element] of elements.entries()) {
      const isLast = index === elements.length - 1;
      const last = this.#element(element, { isLast, follow: follow || !isLast });
      // Stops a path through a link that leaves the root, also one that another link of the path would undo: what lies
      // outside belongs to others, who may change it.
      if (!this.#isInside) throw this.#leaves();
      if (last !== undefined && !(make?.all && this.#entered(last))) return this.#place(last);
    }
    return this.#place('.');
  }

  /** Walks through an element, and the target of a link. Returns the name at which it stopped: the last of the path. */
  #element(element: string, { isLast, follow }: { isLast: boolean; follow: boolean }) {
    const pending = [element];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      if (name === '' || name === '.') continue;
      if (name === '..') {
        this.#up();
        continue;
      }
      const target = follow ? this.#targetOf(name) : undefined;
      if (target === undefined) {
        const isOver = !pending.some((rest) => rest !== '' && rest !== '.');
        if (isLast && isOver && this.#isInside) return name;
        // Refuse `new/../..` in a link: what is created as `new` would stay when the rest is refused.
        this.#enter(name, { make: !pending.includes('..') });
        continue;
      }
      this.#links++;
      // Refuse `a -> b`, `b -> a`, which would never end.
      if (this.#links > maxLinks) throw pathError(this.#relative, linkFaults.loop);
      if (target.startsWith('/')) this.#leaveTo('/');
      pending.push(...target.split('/').reverse());
    }
    return undefined;
  }

  get #here(): OpenDirectory {
    const here = this.#through.at(-1);
    if (here === undefined) throw new Error('the walk is over');
    return here;
  }

  #targetOf(name: string): string | undefined {
    try {
      return readlinkSync(this.#here.at(name));
    } catch (error) {
      // It is not a link, or nothing exists.
      if (isErrno(error, 'EINVAL', 'ENOENT', 'UNKNOWN')) return undefined;
      throw error;
    }
  }

  #enter(name: string, { make: mayMake = true } = {}): void {
    if (this.#through.length > maxDepth) throw pathError(this.#relative, 'is too deep');
    const { make } = this.#options;
    let next: OpenDirectory;
    try {
      next = this.#here.child(name);
    } catch (error) {
      if (!this.#isInside) throw this.#leaves();
      if (make === undefined || !mayMake || errnoOf(error) !== 'ENOENT') throw error;
      if (makeDirectory(this.#here.at(name), make.mode)) make.onMake?.(join(this.#here.path, name));
      next = this.#here.child(name);
    }
    this.#through.push(next);
    if (this.#isInside || next.identity !== this.#identity) return;
    // An absolute link, or one that goes up and down again, has come back.
    for (const held of this.#through.splice(0, this.#through.length - 1)) held.close();
    this.#isInside = true;
  }

  /** Enters the last element, too. Returns false when it is not a directory. */
  #entered(name: string): boolean {
    try {
      this.#enter(name);
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'ENOTDIR') throw error;
      return false;
    }
  }

  #up(): void {
    if (this.#through.length > 1) this.#through.pop()?.close();
    else if (this.#isInside) this.#leaveTo(dirname(this.#root));
  }

  /** Continues outside, at an absolute path without links. */
  #leaveTo(path: string): void {
    this.close();
    this.#isInside = false;
    this.#through = [openDirectory('/', this.#how)];
    for (const name of path.split('/')) if (name !== '') this.#enter(name);
    if (this.#root === '/') this.#isInside = true;
  }

  #place(name: string): Place {
    const directory = this.#here;
    for (const held of this.#through.slice(0, -1)) held.close();
    return {
      directory,
      name,
      path: name === '.' ? directory.path : `${directory.path.replace(/\/$/, '')}/${name}`,
      at: directory.at(name),
      close: () => directory.close(),
    };
  }

  #leaves(): GomoteError {
    return pathError(this.#relative, linkFaults.outside);
  }

  close(): void {
    for (const held of this.#through) held.close();
  }
}

/** Returns false when somebody else has created it meanwhile. */
function makeDirectory(at: string, mode: number): boolean {
  try {
    mkdirSync(at, mode);
    return true;
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    return false;
  }
}
