// The tree of one extraction while it arrives: a directory of its own, in which nothing but the extraction has ever
// made anything. So no link stands on any way in it, and what has come without its end is removed as a whole.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { errnoOf } from '../errors.ts';
import { lstatSync, mkdirSync, openSync, rmSync, unlinkSync } from '../files/named-fs.ts';
import { archiveErrors } from './archive-error.ts';

/** While it is filled, an entry's directory can be used by its owner only. */
const workingMode = 0o700;
/** Of a directory the archive has no entry for; the umask applies. */
const impliedMode = 0o755;

const createFlags =
  constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;

export class Staging {
  readonly path: string;
  /** Names of the directories made so far. */
  readonly #directories = new Set(['']);

  /** `base` is the real path of the directory to extract into: the same file system, so that moving costs nothing. */
  constructor(base: string) {
    this.path = `${base}/.gomote-${randomBytes(8).toString('hex')}`;
    mkdirSync(this.path, workingMode);
  }

  /** Where the entry of this name lies. */
  pathOf(name: string): string {
    return name === '' ? this.path : `${this.path}/${name}`;
  }

  /** Makes a new file; an earlier one of the name is removed, and its other names keep it. */
  create(elements: readonly string[], mode: number): number {
    const path = this.#free(elements);
    return this.#replacing(path, () => openSync(path, createFlags, mode));
  }

  /** Makes room for an entry; gives its path. */
  make(elements: readonly string[], entry: (path: string) => void): void {
    const path = this.#free(elements);
    this.#replacing(path, () => entry(path));
  }

  /** Makes the directory of an entry. */
  makeDirectory(elements: readonly string[]): void {
    const name = elements.join('/');
    if (this.#directories.has(name)) return;
    this.make(elements, (path) => mkdirSync(path, workingMode));
    this.#directories.add(name);
  }

  /** Removes the file of this name and makes its parents: something else will have the name in the end. */
  clear(elements: readonly string[]): void {
    const path = this.#free(elements);
    if (!this.#directories.has(elements.join('/'))) rmSync(path, { force: true });
  }

  /** Removes what is still here. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  #free(elements: readonly string[]): string {
    const parent = elements.slice(0, -1);
    const name = parent.join('/');
    if (!this.#directories.has(name)) this.#makeParents(parent, elements.join('/'));
    return this.pathOf(elements.join('/'));
  }

  #makeParents(elements: readonly string[], entryName: string): void {
    let name = '';
    for (const element of elements) {
      name = name === '' ? element : `${name}/${element}`;
      if (this.#directories.has(name)) continue;
      try {
        mkdirSync(this.pathOf(name), impliedMode);
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
        throw archiveErrors.entry(entryName, `${name} is not a directory`);
      }
      this.#directories.add(name);
    }
  }

  #replacing<T>(path: string, make: () => T): T {
    try {
      return make();
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST' || lstatSync(path).isDirectory()) throw error;
      unlinkSync(path);
      return make();
    }
  }
}
