// The tree of one extraction while it arrives: a staging directory in the target directory. Each of its directories is
// held open while something is created in it, so that no link is followed.
import { errnoOf } from '../errors.ts';
import { ifThere } from '../files/if-there.ts';
import { lstatSync, mkdirSync, openSync, unlinkSync } from '../files/named-fs.ts';
import type { OpenDirectory } from '../files/open-directory.ts';
import { createFlags } from '../files/open-flags.ts';
import { OpenTree } from '../files/open-tree.ts';
import { removeBelowSync } from '../files/remove-tree.ts';
import { partialName } from '../files/reserved-names.ts';
import { archiveErrors } from './archive-error.ts';

/** While it is filled, a directory is accessible to its owner only. */
const workingMode = 0o700;
/** The mode of a directory without an entry in the archive; the umask applies. */
const impliedMode = 0o755;

export class Staging {
  readonly tree: OpenTree;
  /** Holds replaced entries until everything is placed. */
  readonly kept: OpenDirectory;
  readonly #base: OpenDirectory;
  readonly #name = partialName();
  /** Names of the directories made so far. */
  readonly #directories = new Set(['']);

  /** `base` is the target directory: on the same file system, so that moving is cheap. */
  constructor(base: OpenDirectory) {
    this.#base = base;
    mkdirSync(base.at(this.#name), workingMode);
    const directory = base.child(this.#name);
    try {
      for (const part of ['kept', 'tree']) mkdirSync(directory.at(part), workingMode);
      this.kept = directory.child('kept');
      this.tree = new OpenTree(directory.child('tree'));
    } finally {
      directory.close();
    }
  }

  /** For a system call on the entry of this name. */
  at(name: string): string {
    return name === '' ? this.tree.top.self : this.tree.at(name);
  }

  /** Creates a new file. An earlier file of the name is removed; its other hard links are kept. */
  create(elements: readonly string[], mode: number): number {
    let fd = -1;
    this.make(elements, (at) => {
      fd = openSync(at, createFlags, mode);
    });
    return fd;
  }

  /** Creates an entry in place of an earlier one of the name. */
  make(elements: readonly string[], entry: (at: string) => void): void {
    const name = this.#free(elements);
    try {
      entry(this.at(name));
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST' || lstatSync(this.at(name)).isDirectory()) throw error;
      unlinkSync(this.at(name));
      entry(this.at(name));
    }
  }

  makeDirectory(elements: readonly string[]): void {
    const name = elements.join('/');
    if (this.#directories.has(name)) return;
    this.make(elements, (at) => mkdirSync(at, workingMode));
    this.#directories.add(name);
  }

  /** Removes the file of this name and creates its parents: something else will get the name. */
  clear(elements: readonly string[]): void {
    const name = this.#free(elements);
    if (this.#directories.has(name)) throw archiveErrors.entry(name, 'a directory is in its place');
    ifThere(() => unlinkSync(this.at(name)));
  }

  remove(): void {
    this.tree.close();
    this.kept.close();
    removeBelowSync(this.#base, this.#name);
  }

  #free(elements: readonly string[]): string {
    const parent = elements.slice(0, -1);
    if (!this.#directories.has(parent.join('/'))) this.#makeParents(parent, elements.join('/'));
    return elements.join('/');
  }

  #makeParents(elements: readonly string[], entryName: string): void {
    let name = '';
    for (const element of elements) {
      name = name === '' ? element : `${name}/${element}`;
      if (this.#directories.has(name)) continue;
      try {
        mkdirSync(this.at(name), impliedMode);
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
        throw archiveErrors.entry(entryName, `${name} is not a directory`);
      }
      this.#directories.add(name);
    }
  }
}
