// Gives the tree of one extraction its final place: everything is checked first, then moved. A directory that is not
// there yet is moved as a whole, one that is there is filled.
import { randomBytes } from 'node:crypto';
import { closeSync, constants, fchmodSync, futimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../errors.ts';
import { traceSync } from '../files/confine.ts';
import {
  chmodSync,
  cpSync,
  lstatSync,
  openSync,
  readEntriesSync,
  renameSync,
  rmSync,
  unlinkSync,
} from '../files/named-fs.ts';
import { archiveErrors, localFileError } from './archive-error.ts';
import type { Staging } from './staging.ts';

/** What the archive says of a directory; set at the end, since making a file in it changes its time. */
export interface Attributes {
  mode: number;
  mtime: Date | undefined;
}

interface Move {
  name: string;
  to: string;
  /** A file or link stands where a directory comes to. */
  replaces: boolean;
}

/** While files are put into it, a directory's owner must be able to. */
const workingMode = 0o700;

export class Placement {
  readonly #base: string;
  readonly #staging: Staging;
  readonly #attributes: ReadonlyMap<string, Attributes>;
  readonly #moves: Move[] = [];
  readonly #unwritable: { path: string; mode: number }[] = [];
  /** Real paths of directories that are filled, and of those moved whole. */
  readonly #places = new Map<string, string>();

  /** `base` is a real path; `attributes` are those of the directories that have an entry, by name. */
  constructor(base: string, staging: Staging, attributes: ReadonlyMap<string, Attributes>) {
    this.#base = base;
    this.#staging = staging;
    this.#attributes = attributes;
  }

  /** Looks at all that is there before anything is moved. Throws what forbids an entry its place. */
  plan(): void {
    this.#places.set('', this.#base);
    this.#planDirectory('', this.#base);
  }

  #planDirectory(directory: string, target: string): void {
    for (const entry of readEntriesSync(this.#staging.pathOf(directory))) {
      const name = directory === '' ? entry.name : `${directory}/${entry.name}`;
      const to = join(target, entry.name);
      const stats = lstatSync(to, { throwIfNoEntry: false });
      const replaces = stats !== undefined && entry.isDirectory();
      if (!entry.isDirectory()) {
        if (stats?.isDirectory()) throw directoryInPlace(name);
      } else if (stats !== undefined) {
        const filled = stats.isDirectory() ? to : this.#entered(name, target, entry.name);
        if (filled !== undefined) {
          if (stats.isDirectory() && this.#attributes.has(name)) this.#open(to, stats.mode);
          this.#places.set(name, filled);
          this.#planDirectory(name, filled);
          continue;
        }
      }
      this.#moves.push({ name, to, replaces });
    }
  }

  /** Where the files of a directory go when something else has its name; undefined: that is to be replaced. */
  #entered(name: string, parent: string, element: string): string | undefined {
    if (this.#attributes.has(name)) return undefined;
    // Stops an upload from leaving through a link that was there before it.
    const found = traceSync(this.#base, parent, [element], { follow: true });
    const path = join(parent, element);
    if (found.problem !== undefined) {
      throw archiveErrors.entry(name, `the symbolic link ${path} leads out of the directory`);
    }
    if (lstatSync(found.path, { throwIfNoEntry: false })?.isDirectory()) return found.path;
    throw archiveErrors.entry(name, `${path} is not a directory`);
  }

  #open(path: string, mode: number): void {
    if ((mode & workingMode) !== workingMode) this.#unwritable.push({ path, mode });
  }

  /** Moves everything. */
  execute(): void {
    for (const { path, mode } of this.#unwritable) chmodSync(path, mode | workingMode);
    for (const { name, to, replaces } of this.#moves) {
      try {
        if (replaces) unlinkSync(to);
        move(this.#staging.pathOf(name), to);
      } catch (error) {
        const code = errnoOf(error);
        if (code === 'ENOTEMPTY' || code === 'EEXIST') {
          // Another upload has made this directory since: the loop goes on with what the plan adds for it.
          this.#places.set(name, to);
          this.#planDirectory(name, to);
        } else throw code === 'EISDIR' ? directoryInPlace(name) : localFileError(to, error);
      }
    }
  }

  /** The real path that a directory has got. */
  placeOf(name: string): string {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    const slash = name.lastIndexOf('/');
    const place = join(this.placeOf(name.slice(0, Math.max(slash, 0))), name.slice(slash + 1));
    this.#places.set(name, place);
    return place;
  }

  /** Sets modes and times of directories, deepest first: one may become read-only. */
  setAttributes(): void {
    // By real path: a second name of a directory is the same directory.
    const byPath = new Map<string, Attributes>();
    for (const [name, attributes] of this.#attributes) byPath.set(this.placeOf(name), attributes);
    for (const [path, attributes] of [...byPath].sort(([a], [b]) => b.length - a.length)) {
      try {
        setAttributes(path, attributes);
      } catch (error) {
        throw localFileError(path, error);
      }
    }
  }
}

export const directoryInPlace = (name: string): Error =>
  archiveErrors.entry(name, 'a directory is in its place');

/** Gives a file or directory its final name; it appears there whole. */
export function move(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (errnoOf(error) !== 'EXDEV') throw error;
    // Another file system is mounted here.
    const partial = join(dirname(to), `.gomote-${randomBytes(8).toString('hex')}`);
    try {
      cpSync(from, partial, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
      renameSync(partial, to);
    } finally {
      rmSync(partial, { recursive: true, force: true });
    }
  }
}

function setAttributes(path: string, { mode, mtime }: Attributes): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    if (mtime !== undefined) futimesSync(fd, mtime, mtime);
    fchmodSync(fd, mode);
  } finally {
    closeSync(fd);
  }
}
