// Gives the tree of one extraction its final place. Everything is checked first; then it is moved, a directory that is not
// there yet as a whole, one that is there being filled; and what fails late is undone.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { posix } from 'node:path';
import { errnoOf } from '../errors.ts';
import { isInside, trace } from '../files/confine.ts';
import { copyAcross } from '../files/copy-across.ts';
import {
  accessSync,
  linkSync,
  lstatSync,
  lutimesSync,
  readEntriesSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from '../files/named-fs.ts';
import type { OpenTree } from '../files/open-tree.ts';
import { archiveErrors, localFileError } from './archive-error.ts';
import type { Staging } from './staging.ts';
import type { UndoList } from './undo-list.ts';

/** What the archive says of a directory; set at the end, since making a file in it changes its time. */
export interface Attributes {
  mode: number;
  mtime: Date | undefined;
}

interface Move {
  name: string;
  /** Where to, from the directory that is extracted into. */
  to: string;
  /** What stands there. */
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
  /** Where directories are or will be, by name, from the directory that is extracted into. */
  readonly #places = new Map<string, string>();
  /** Names of what is moved, by where to. */
  readonly #moved = new Map<string, string>();

  /** `target` is what is extracted into; `attributes` are those of the directories that have an entry, by name. */
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

  /** Looks at all that is there before anything is moved. Throws what forbids an entry its place. */
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

  /** Throws when nothing can be put into a directory that is there and keeps its mode. */
  requireWritable(target: string): void {
    if (this.#unwritable.some(({ path }) => path === target)) return;
    try {
      accessSync(this.#target.directory(target).self, constants.W_OK | constants.X_OK);
    } catch (error) {
      throw localFileError(this.#target.shown(target), error);
    }
  }

  /** Where the files of a directory go when something else has its name; undefined: that is to be replaced. */
  #entered(name: string, parent: string, element: string): string | undefined {
    if (this.#attributes.has(name)) return undefined;
    // Stops an upload from leaving through a link that was there before it.
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

  /** Where the staged entry lies that will be at this place, or what it is in; undefined: it comes from elsewhere. */
  stagedAt(place: string): string | undefined {
    for (let at = place; at !== '' && at !== '.'; at = posix.dirname(at)) {
      const name = this.#moved.get(at);
      if (name !== undefined) return name + place.slice(at.length);
    }
    return undefined;
  }

  /** Moves everything. */
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
          // Another upload has made this directory since: the loop goes on with what the plan adds for it.
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

  /** Keeps what is at a place, so that it can be put back; `isTaken`: it has to make room. */
  #keep(to: string, isTaken: boolean): void {
    const { kept } = this.#staging;
    const name = `${this.#keptCount++}`;
    const take = () => renameSync(this.#target.at(to), kept.at(name));
    const link = () => {
      try {
        linkSync(this.#target.at(to), kept.at(name));
      } catch {
        // The file system has no second names for it, or does not let us.
        take();
      }
    };
    const putBack = () => renameSync(kept.at(name), this.#target.at(to));
    try {
      this.#undo.run(isTaken ? take : link, putBack);
    } catch (error) {
      // On a file system that is mounted here, what is replaced cannot be put back.
      if (errnoOf(error) !== 'EXDEV') throw error;
      if (isTaken) unlinkSync(this.#target.at(to));
    }
  }

  /** Looks at a link's place before anything is moved. Throws what forbids it. */
  planLink(name: string): string {
    const parent = this.placeOf(parentOf(name));
    const place = join(parent, posix.basename(name));
    if (this.stagedAt(place) !== undefined) return place;
    const stats = lstatSync(this.#target.at(place), { throwIfNoEntry: false });
    if (stats?.isDirectory()) throw directoryInPlace(name);
    this.requireWritable(parent);
    return place;
  }

  /** Makes a link at its place, once everything is moved. */
  makeLink(place: string, target: string, mtime: Date | undefined): void {
    const at = (path: string) => this.#target.at(path);
    const partial = join(parentOf(place), partialName());
    const stats = lstatSync(at(place), { throwIfNoEntry: false });
    if (stats !== undefined) this.#keep(place, false);
    try {
      symlinkSync(target, at(partial));
      if (mtime !== undefined) lutimesSync(at(partial), mtime, mtime);
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
    const place = join(this.placeOf(parentOf(name)), posix.basename(name));
    this.#places.set(name, place);
    return place;
  }

  /** Sets modes and times of directories, deepest first: one may become read-only. */
  setAttributes(): void {
    // By place: a second name of a directory is the same directory.
    const byPlace = new Map<string, Attributes>();
    for (const [name, attributes] of this.#attributes) byPlace.set(this.placeOf(name), attributes);
    for (const [place, attributes] of [...byPlace].sort(([a], [b]) => b.length - a.length)) {
      try {
        // What is extracted into is still worked in.
        const { mode, mtime } = attributes;
        this.#setAttributes(place, place === '' ? { mode: mode | workingMode, mtime } : attributes);
      } catch (error) {
        throw localFileError(this.#target.shown(place), error);
      }
    }
  }

  /** Gives what was extracted into its own mode and time, if the archive has them, when nothing is to be done in it any more. */
  finish(): void {
    const attributes = this.#attributes.get('');
    if (attributes !== undefined) this.#setAttributes('', attributes);
  }

  #setAttributes(place: string, { mode, mtime }: Attributes): void {
    // Held, and no link: it may lose the right to be entered.
    const directory = this.#target.directory(place);
    const before = lstatSync(directory.self);
    const set = (bits: number, time: Date | undefined) => {
      if (time !== undefined) lutimesSync(directory.self, time, time);
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

const parentOf = (path: string): string => path.slice(0, Math.max(path.lastIndexOf('/'), 0));

const partialName = (): string => `.gomote-${randomBytes(8).toString('hex')}`;

/** Gives a file or directory its final name; it appears there whole. */
function move(from: string, target: OpenTree, to: string): void {
  try {
    renameSync(from, target.at(to));
  } catch (error) {
    if (errnoOf(error) !== 'EXDEV') throw error;
    copyAcross(from, target.at(to), target.at(join(parentOf(to), partialName())));
  }
}
