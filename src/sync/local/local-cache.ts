// A cache for a local tree: the digests of its files, and its state at the last push. Only a cache:
// without it, a push takes longer.
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeDirectories } from '../../files/make-directories.ts';
import { replaceFile } from '../../files/replace-file.ts';
import type { DigestAlgorithm, TreeEntry } from '../../protocol/tree-entry.ts';
import { isSettled } from '../../tree/digest-cache.ts';
import { digestOfFile } from '../../tree/tree-digests.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import { type FreshDigest, StoredTree } from './stored-tree.ts';

interface Made {
  readonly entries: readonly FoundEntry[];
  readonly tree: StoredTree;
}

export class LocalCache {
  /** The prefix of the file names; undefined: nothing is stored. */
  readonly #prefix: string | undefined;
  readonly #top: string;
  readonly #stored = new Map<DigestAlgorithm, StoredTree>();
  /** What was learned in this run, by path; valid until the end of the run. */
  readonly #fresh = {
    sha256: new Map<string, FreshDigest>(),
    sha1: new Map<string, FreshDigest>(),
  };
  /** Derived from the current tree. */
  readonly #made: { [Algorithm in DigestAlgorithm]?: Made } = {};

  /** `directory` is where it is stored, separately for each use; undefined: nowhere. */
  constructor(directory: string | undefined, top: string, use: 'push' | 'pull') {
    this.#top = top;
    this.#prefix =
      directory && join(directory, `${use}-${hash('sha256', top, 'hex').slice(0, 16)}`);
  }

  #storedBy(algorithm: DigestAlgorithm): StoredTree {
    const known = this.#stored.get(algorithm);
    if (known !== undefined) return known;
    const stored = StoredTree.decode(this.#read(algorithm) ?? '');
    this.#stored.set(algorithm, stored);
    return stored;
  }

  /** The file's digest if it is known without reading it. */
  known(entry: FoundEntry, algorithm: DigestAlgorithm): string | undefined {
    if (entry.kind !== 'file') return '';
    const fresh = this.#fresh[algorithm];
    const found = fresh.size === 0 ? undefined : fresh.get(entry.path)?.digest;
    return found ?? this.#storedBy(algorithm).lookup(entry);
  }

  /** The file's digest, read if need be; undefined when it has gone. */
  digest(entry: FoundEntry, algorithm: DigestAlgorithm): string | undefined {
    const known = this.known(entry, algorithm);
    if (known !== undefined) return known;
    const startedAtMs = Date.now();
    const digest = digestOfFile(this.#top, entry.path, algorithm);
    if (digest !== undefined) this.#learn(entry, algorithm, digest, startedAtMs);
    return digest;
  }

  /** Records a digest that was computed while the file was sent. */
  learn(entry: FoundEntry, sha256: string, readAtMs: number): void {
    this.#learn(entry, 'sha256', sha256, readAtMs);
  }

  #learn(entry: FoundEntry, algorithm: DigestAlgorithm, digest: string, readAtMs: number): void {
    this.#fresh[algorithm].set(entry.path, { digest, isTold: isSettled(entry, readAtMs) });
    delete this.#made[algorithm];
  }

  /** The digest of the tree; undefined when a file would have to be read for that. */
  treeDigest(
    entries: readonly FoundEntry[],
    algorithm: DigestAlgorithm = 'sha256',
  ): string | undefined {
    return this.#treeOf(entries, algorithm).digest || undefined;
  }

  #treeOf(entries: readonly FoundEntry[], algorithm: DigestAlgorithm): StoredTree {
    const made = this.#made[algorithm];
    if (made?.entries === entries) return made.tree;
    const tree = this.#storedBy(algorithm).next(entries, this.#fresh[algorithm]);
    this.#made[algorithm] = { entries, tree };
    return tree;
  }

  /**
   * What may differ between the local tree and one with this digest, and with these times if they matter, determined without reading files;
   * undefined when the content of such a tree is unknown.
   */
  differing(
    entries: readonly FoundEntry[],
    digest: string,
    times: string | undefined,
  ): { here: readonly FoundEntry[]; there: readonly TreeEntry[] } | undefined {
    const stored = this.#storedBy('sha256');
    const isSame = (tree: StoredTree) =>
      tree.digest === digest && (times === undefined || tree.times === times);
    if (isSame(stored)) {
      const differing = stored.differing(entries);
      const isNothing = differing.here.length === 0 && differing.there.length === 0;
      if (isNothing) this.#made.sha256 = { entries, tree: stored };
      return differing;
    }
    return isSame(this.#treeOf(entries, 'sha256')) ? { here: [], there: [] } : undefined;
  }

  /** Stores what was learned about the tree's files; `isPushed`: also that these are all of its files. */
  save(entries: readonly FoundEntry[], isPushed: boolean): void {
    for (const algorithm of ['sha256', 'sha1'] as const) {
      const isNew = this.#fresh[algorithm].size > 0 || (isPushed && algorithm === 'sha256');
      if (isNew) this.#write(algorithm, this.#treeOf(entries, algorithm).encode());
    }
  }

  #read(name: string): string | undefined {
    try {
      return this.#prefix === undefined
        ? undefined
        : readFileSync(`${this.#prefix}.${name}`, 'utf8');
    } catch {
      // There is no usable cache.
      return undefined;
    }
  }

  #write(name: string, content: string): void {
    if (this.#prefix === undefined) return;
    try {
      makeDirectories(dirname(this.#prefix), 0o700);
      replaceFile(`${this.#prefix}.${name}`, content);
    } catch {
      // The next push will be slower.
    }
  }
}
