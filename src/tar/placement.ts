// Moves the tree of one extraction to its destination. Everything is checked first. New directories are moved as
// a whole, existing ones are filled, and a late failure is undone.
import { constants } from 'node:fs';
import { posix } from 'node:path';
import { errnoOf } from '../errors.ts';
import { isInside, trace } from '../files/confine.ts';
import { setLinkTime } from '../files/exact-time.ts';
import {
  accessSync,
  linkSync,
  lstatSync,
  readEntriesSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from '../files/named-fs.ts';
import type { OpenTree } from '../files/open-tree.ts';
import { copyAcross } from '../files/put-in-place.ts';
import { partialName } from '../files/reserved-names.ts';
import { directoryOf } from '../protocol/relative-path.ts';
import { archiveErrors, localFileError } from './archive-error.ts';
import type { Staging } from './staging.ts';
import type { UndoList } from './undo-list.ts';

/** The attributes of a directory in the archive; set at the end, since creating a file in it changes its time. */
export interface Attributes {
  mode: number;
  mtime: Date | undefined;
}

interface Move {
  name: string;
  /** The destination, relative to the target directory. */
  to: string;
  /** The existing entry there. */
  replaces: 'nothing' | 'file' | 'link';
}

/** While files are put into it, a directory's owner must be able to. */
const workingMode = 0o700;

export class Placement {
  readonly #target: OpenTree;
  readonly #staging: Staging;
  readonly #attributes: ReadonlyMap<string, Attributes>;
  readonly #undo: UndoList;
  readonly #moves: Move[] = [];
  #keptCount = 0;
  readonly #unwritable: { path: string; mode: number }[] = [];
  /** Where directories are or will be, by name, relative to the target directory. */
  readonly #places = new Map<string, string>();
  /** The names of moved entries, by destination. */
  readonly #moved = new Map<string, string>();

  /** `target` is the directory to extract into; `attributes` are those of directories in the archive, by name. */
  constructor(
    target: OpenTree,
    staging: Staging,
    attributes: ReadonlyMap<string, Attributes>,
    undo: UndoList,
  ) {
    this.#target = target;
    this.#staging = staging;
    this.#attributes = attributes;
    this.#undo = undo;
  }

  get #base(): string {
    return this.#target.top.path;
  }

  /** Checks all existing entries before anything is moved. Throws when an entry cannot be placed. */
  plan(): void {
    this.#places.set('', '');
    this.#planDirectory('', '');
  }

  #planDirectory(directory: string, target: string): void {
    let isUsed = false;
    for (const entry of readEntriesSync(this.#staging.tree.directory(directory).self)) {
      const name = join(directory, entry.name);
      const to = join(target, entry.name);
      const stats = lstatSync(this.#target.at(to), { throwIfNoEntry: false });
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
      const replaces = stats === undefined ? 'nothing' : entry.isDirectory() ? 'link' : 'file';
      this.#moves.push({ name, to, replaces });
      this.#moved.set(to, name);
      isUsed = true;
    }
    if (isUsed) this.requireWritable(target);
  }

  /** Throws when nothing can be put into an existing directory that keeps its mode. */
  requireWritable(target: string): void {
    if (this.#unwritable.some(({ path }) => path === target)) return;
    try {
      accessSync(this.#target.directory(target).self, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw localFileError(this.#target.shown(target), error);
    }
  }

  /** Where the files of a directory go when its name is taken by something else; undefined: that is replaced. */
  #entered(name: string, parent: string, element: string): string | undefined {
    if (this.#attributes.has(name)) return undefined;
    // Refuse to leave the directory through an existing link.
    const [base, path] = [this.#base, this.#target.shown(join(parent, element))];
    const found = trace(base, this.#target.shown(parent), [element], { follow: true });
    if (found.problem !== undefined || !isInside(base, found.path)) {
      throw archiveErrors.entry(name, `the symbolic link ${path} leads out of the directory`);
    }
    const real = found.path.slice(base.length + 1);
    const stats = lstatSync(this.#target.at(real === '' ? '.' : real), { throwIfNoEntry: false });
    if (stats?.isDirectory()) return real;
    throw archiveErrors.entry(name, `${path} is not a directory`);
  }

  #open(path: string, mode: number): void {
    if ((mode & workingMode) !== workingMode) this.#unwritable.push({ path, mode });
  }

  /** The staged entry for this place, or its parent; undefined when it is not staged. */
  stagedAt(place: string): string | undefined {
    for (let at = place; at !== '' && at !== '.'; at = posix.dirname(at)) {
      const name = this.#moved.get(at);
      if (name !== undefined) return name + place.slice(at.length);
    }
    return undefined;
  }

  execute(): void {
    for (const { path, mode } of this.#unwritable) {
      const change = (bits: number) => this.#target.directory(path).setMode(bits);
      this.#undo.run(
        () => change((mode & 0o7777) | workingMode),
        () => change(mode & 0o7777),
      );
    }
    for (const move of this.#moves) {
      try {
        this.#move(move);
      } catch (error) {
        const { name, to } = move;
        const code = errnoOf(error);
        if (code === 'ENOTEMPTY' || code === 'EEXIST') {
          // Another upload has created this directory: the loop continues with what the plan adds for it.
          this.#places.set(name, to);
          this.#planDirectory(name, to);
        } else if (code === 'EISDIR') throw directoryInPlace(name);
        else throw localFileError(this.#target.shown(to), error);
      }
    }
  }

  #move({ name, to, replaces }: Move): void {
    if (replaces !== 'nothing') this.#keep(to, replaces === 'link');
    this.#undo.run(
      () => move(this.#staging.at(name), this.#target, to),
      () => renameSync(this.#target.at(to), this.#staging.at(name)),
    );
  }

  /** Keeps the existing entry, so that it can be restored; `isTaken`: it must make room. */
  #keep(to: string, isTaken: boolean): void {
    const { kept } = this.#staging;
    const name = `${this.#keptCount++}`;
    const take = () => renameSync(this.#target.at(to), kept.at(name));
    const link = () => {
      try {
        linkSync(this.#target.at(to), kept.at(name));
      } catch {
        // The file system does not support or allow a hard link.
        take();
      }
    };
    const putBack = () => renameSync(kept.at(name), this.#target.at(to));
    try {
      this.#undo.run(isTaken ? take : link, putBack);
    } catch (error) {
      // On another file system, the replaced entry cannot be restored.
      if (errnoOf(error) !== 'EXDEV') throw error;
      if (isTaken) unlinkSync(this.#target.at(to));
    }
  }

  /** Checks a link's destination before anything is moved. Throws when it cannot be placed. */
  planLink(name: string): string {
    const parent = this.placeOf(directoryOf(name));
    const place = join(parent, posix.basename(name));
    if (this.stagedAt(place) !== undefined) return place;
    const stats = lstatSync(this.#target.at(place), { throwIfNoEntry: false });
    if (stats?.isDirectory()) throw directoryInPlace(name);
    this.requireWritable(parent);
    return place;
  }

  /** Creates a link, once everything is moved. */
  makeLink(place: string, target: string, mtime: Date | undefined): void {
    const at = (path: string) => this.#target.at(path);
    const partial = join(directoryOf(place), partialName());
    const stats = lstatSync(at(place), { throwIfNoEntry: false });
    if (stats !== undefined) this.#keep(place, false);
    try {
      symlinkSync(target, at(partial));
      if (mtime !== undefined) setLinkTime(at(partial), mtime);
      this.#undo.run(
        () => renameSync(at(partial), at(place)),
        () => unlinkSync(at(place)),
      );
    } finally {
      rmSync(at(partial), { force: true });
    }
  }

  /** Where a directory is or will be. */
  placeOf(name: string): string {
    const known = this.#places.get(name);
    if (known !== undefined) return known;
    const place = join(this.placeOf(directoryOf(name)), posix.basename(name));
    this.#places.set(name, place);
    return place;
  }

  /** Sets modes and times of directories, deepest first: one may become read-only. */
  setAttributes(): void {
    // By destination: two names of a directory are the same directory.
    const byPlace = new Map<string, Attributes>();
    for (const [name, attributes] of this.#attributes) byPlace.set(this.placeOf(name), attributes);
    for (const [place, attributes] of [...byPlace].sort(([a], [b]) => b.length - a.length)) {
      try {
        // The target directory itself is still in use.
        const { mode, mtime } = attributes;
        this.#setAttributes(place, place === '' ? { mode: mode | workingMode, mtime } : attributes);
      } catch (error) {
        throw localFileError(this.#target.shown(place), error);
      }
    }
  }

  /** Sets the mode and time of the target directory, if the archive has them, when everything else is done. */
  finish(): void {
    const attributes = this.#attributes.get('');
    if (attributes !== undefined) this.#setAttributes('', attributes);
  }

  #setAttributes(place: string, { mode, mtime }: Attributes): void {
    // Opened before, without following links: the mode may forbid entering it.
    const directory = this.#target.directory(place);
    const before = lstatSync(directory.self);
    const set = (bits: number, time: Date | undefined) => {
      if (time !== undefined) setLinkTime(directory.self, time);
      directory.setMode(bits);
    };
    this.#undo.run(
      () => set(mode, mtime),
      () => set(before.mode & 0o7777, before.mtime),
    );
  }
}

export const directoryInPlace = (name: string): Error =>
  archiveErrors.entry(name, 'a directory is in its place');

const join = (directory: string, name: string): string =>
  directory === '' ? name : `${directory}/${name}`;

/** Renames a file or directory to its final name, where it appears complete. */
function move(from: string, target: OpenTree, to: string): void {
  try {
    renameSync(from, target.at(to));
  } catch (error) {
    if (errnoOf(error) !== 'EXDEV') throw error;
    copyAcross(from, target.at(to), target.at(join(directoryOf(to), partialName())));
  }
}
