// The directory in which a tree is created: its own, or a temporary one beside it, so that a new tree appears in one step.
import { hash, randomBytes } from 'node:crypto';
import { relative } from 'node:path';
import { mkdirSync, renameSync } from '../files/named-fs.ts';
import { type OpenDirectory, openDirectory } from '../files/open-directory.ts';
import { type Place, reach } from '../files/reach.ts';
import { removeBelowSync, removeLeftovers } from '../files/remove-tree.ts';
import { TreeDirectories } from './tree-directories.ts';

/** Of directories above it that are missing; the umask applies. */
const impliedMode = 0o755;

interface TreePlaceOptions {
  readonly isStaged: boolean;
  /** Whether directories replace other entries. */
  readonly replaces: boolean;
}

export class TreePlace {
  readonly directories: TreeDirectories;
  /** The parent directory of the tree; none for the root itself. */
  readonly #above: Place | undefined;
  readonly #top: OpenDirectory;
  readonly #name: string;

  /** `base` is a real path, the real path `root` or below it. Throws what the system says. */
  constructor(root: string, base: string, { isStaged, replaces }: TreePlaceOptions) {
    // Only one change of a tree runs at a time: another directory of this name was left by a killed process.
    const prefix = `.gomote-push-${hash('sha256', base, 'hex').slice(0, 8)}-`;
    this.#name = prefix + randomBytes(4).toString('hex');
    const path = relative(root, base);
    this.#above = path === '' ? undefined : reach(root, path, { make: { mode: impliedMode } });
    this.#top = this.#open(root, isStaged);
    this.directories = new TreeDirectories(this.#top, replaces);
    for (const directory of [this.#above?.directory, this.#top]) {
      if (directory !== undefined) removeLeftovers(directory, prefix, this.#name);
    }
  }

  #open(root: string, isStaged: boolean): OpenDirectory {
    const above = this.#above;
    if (above === undefined) return openDirectory(root);
    try {
      if (!isStaged) return above.directory.child(above.name);
      mkdirSync(above.directory.at(this.#name), impliedMode);
      return above.directory.child(this.#name);
    } catch (error) {
      above.close();
      throw error;
    }
  }

  /** For system calls on the tree before it has its final name. */
  get partial(): string {
    return this.#top.at(this.#name);
  }

  settle(): void {
    const above = this.#above;
    if (above === undefined) return;
    renameSync(above.directory.at(this.#name), above.at);
    this.directories.moved(above.at);
  }

  removeStaged(): void {
    if (this.#above !== undefined) removeBelowSync(this.#above.directory, this.#name);
  }

  close(): void {
    this.directories.close();
    this.#above?.close();
  }
}
