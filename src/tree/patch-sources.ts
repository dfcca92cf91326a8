// The sources of patches, held during a change of the tree: their names may be removed or reused
// meanwhile.
import { copyFileSync, linkSync, lstatSync, rmSync } from '../files/named-fs.ts';
import type { TreeChange } from '../protocol/tree-change.ts';
import { archiveErrors } from '../tar/archive-error.ts';
import type { TreeDirectories } from './tree-directories.ts';

export class PatchSources {
  /** The names they are held under, by their path in the tree. */
  readonly #kept = new Map<string, string>();

  /** Holds the sources of all patches among the changes. `prefix` is a unique prefix for names. Throws ERR_ARCHIVE when one is missing. */
  keep(changes: readonly TreeChange[], directories: TreeDirectories, prefix: string): void {
    for (const change of changes) {
      const source = change.op === 'write' ? change.patch?.source : undefined;
      if (source === undefined || this.#kept.has(source)) continue;
      const path = directories.find(source);
      if (path === undefined || lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
        throw archiveErrors.entry(source, 'the file to patch is not there');
      }
      const kept = `${prefix}.${this.#kept.size}`;
      try {
        linkSync(path, kept);
      } catch {
        copyFileSync(path, kept);
      }
      this.#kept.set(source, kept);
    }
  }

  pathOf(source: string): string | undefined {
    return this.#kept.get(source);
  }

  release(): void {
    for (const kept of this.#kept.values()) rmSync(kept, { force: true });
    this.#kept.clear();
  }
}
