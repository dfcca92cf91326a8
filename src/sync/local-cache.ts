// What is known of a tree of this machine from before: the digests of its files, and how it was last pushed. Only a cache:
// without it, a push takes longer.
import { hash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isSettled } from '../archive/digest-cache.ts';
import { digestOfFile } from '../archive/tree-digests.ts';
import type { FoundEntry } from '../archive/tree-walk.ts';
import { type DigestAlgorithm, type TreeEntry, treeDigestBy } from '../protocol/tree-entry.ts';
import { encodeStoredTree, type StoredEntry, StoredTree } from './stored-tree.ts';

interface Fresh {
  readonly digest: string;
  /** Whether the file's facts will tell that it is still the same. */
  readonly isTold: boolean;
}

export class LocalCache {
  /** What the names of the files begin with; undefined: there are none. */
  readonly #prefix: string | undefined;
  readonly #top: string;
  readonly #stored = new Map<DigestAlgorithm, StoredTree>();
  /** What was found out in this run, by path: it holds to the end of the run. */
  readonly #fresh = { sha256: new Map<string, Fresh>(), sha1: new Map<string, Fresh>() };
  #ofTree: { readonly entries: readonly FoundEntry[]; readonly digest: string } | undefined;

  /** `directory` is where it is kept, apart for each use; undefined: nowhere. */
  constructor(directory: string | undefined, top: string, use: 'push' | 'pull') {
    this.#top = top;
    this.#prefix =
      directory && join(directory, `${use}-${hash('sha256', top, 'hex').slice(0, 16)}`);
  }

  #storedBy(algorithm: DigestAlgorithm): StoredTree {
    const known = this.#stored.get(algorithm);
    if (known !== undefined) return known;
    const stored = StoredTree.decode(this.#read(algorithm) ?? Buffer.alloc(0));
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
    const startedMs = Date.now();
    const digest = digestOfFile(`${this.#top}/${entry.path}`, algorithm);
    if (digest !== undefined) this.#learn(entry, algorithm, digest, startedMs);
    return digest;
  }

  /** Takes a digest made while the file was sent. */
  learn(entry: FoundEntry, sha256: string, readMs: number): void {
    this.#learn(entry, 'sha256', sha256, readMs);
  }

  #learn(entry: FoundEntry, algorithm: DigestAlgorithm, digest: string, readMs: number): void {
    this.#fresh[algorithm].set(entry.path, { digest, isTold: isSettled(entry.stats, readMs) });
    this.#ofTree = undefined;
  }

  /** The digest of the tree; undefined when a file would have to be read for that. */
  treeDigest(
    entries: readonly FoundEntry[],
    algorithm: DigestAlgorithm = 'sha256',
  ): string | undefined {
    if (algorithm === 'sha256' && this.#ofTree?.entries === entries) return this.#ofTree.digest;
    const stored = this.#storedBy(algorithm);
    const isStored =
      stored.digest !== '' && this.#fresh[algorithm].size === 0 && stored.isOf(entries);
    const digest = isStored
      ? stored.digest
      : treeDigestBy(entries, (entry) => this.known(entry, algorithm));
    if (algorithm === 'sha256' && digest !== undefined) this.#ofTree = { entries, digest };
    return digest;
  }

  /** Whether the tree is told to have this digest, without a file being read. */
  hasDigest(entries: readonly FoundEntry[], digest: string): boolean {
    const stored = this.#storedBy('sha256');
    // What differs from the tree that was pushed need not be looked at for more than that.
    if (stored.digest === digest) return stored.isOf(entries);
    return this.treeDigest(entries) === digest;
  }

  /** The tree that was last pushed, if its digest is this. */
  pushed(digest: string): TreeEntry[] | undefined {
    const stored = this.#storedBy('sha256');
    return stored.digest === digest ? stored.entries() : undefined;
  }

  /** Keeps what has been learned of the tree's files; `isPushed`: also that the tree was pushed as it is. */
  save(entries: readonly FoundEntry[], isPushed: boolean): void {
    if (isPushed || this.#fresh.sha256.size > 0) {
      this.#save('sha256', entries, isPushed ? this.treeDigest(entries) : undefined);
    }
    if (this.#fresh.sha1.size > 0) this.#save('sha1', entries, undefined);
  }

  #save(
    algorithm: DigestAlgorithm,
    entries: readonly FoundEntry[],
    treeDigest: string | undefined,
  ): void {
    if (this.#prefix === undefined) return;
    const fresh = this.#fresh[algorithm];
    const stored = this.#storedBy(algorithm);
    const known = entries.map((entry): StoredEntry => {
      const found = fresh.size === 0 ? undefined : fresh.get(entry.path);
      if (found !== undefined) return { entry, digest: found.digest, isTold: found.isTold };
      return { entry, digest: stored.lookup(entry) ?? '', isTold: true };
    });
    this.#write(algorithm, encodeStoredTree(known, treeDigest));
  }

  #read(name: string): Buffer | undefined {
    try {
      return this.#prefix === undefined ? undefined : readFileSync(`${this.#prefix}.${name}`);
    } catch {
      // There is none yet, or none that can be used.
      return undefined;
    }
  }

  #write(name: string, content: string | Buffer): void {
    if (this.#prefix === undefined) return;
    try {
      mkdirSync(dirname(this.#prefix), { recursive: true, mode: 0o700 });
      const partial = `${this.#prefix}.${name}.${process.pid}`;
      writeFileSync(partial, content, { mode: 0o600 });
      renameSync(partial, `${this.#prefix}.${name}`);
    } catch {
      // The next push is slower.
    }
  }
}
