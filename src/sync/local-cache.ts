// What is known of a tree of this machine from before: the digests of its files, and how it was last pushed. Only a cache:
// without it, a push takes longer.
import { hash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DigestCache } from '../archive/digest-cache.ts';
import { digestKey, digestOf } from '../archive/tree-digests.ts';
import type { FoundEntry } from '../archive/tree-walk.ts';
import {
  type DigestAlgorithm,
  decodeEntries,
  encodeEntries,
  type TreeEntry,
  treeDigest,
} from '../protocol/tree-entry.ts';
import { encodeStoredDigests, type StoredDigest, StoredDigests } from './stored-digests.ts';

export class LocalCache {
  /** What the names of the files begin with; undefined: there are none. */
  readonly #prefix: string | undefined;
  readonly #top: string;
  readonly #stored = new Map<DigestAlgorithm, StoredDigests>();
  /** What was found out in this run and can be kept. */
  readonly #digests = new DigestCache();
  /** What was found out in this run, by algorithm and path: it holds to the end of the run. */
  readonly #fresh = new Map<string, string>();
  readonly #changed = new Set<DigestAlgorithm>();

  /** `directory` is where it is kept, apart for each use; undefined: nowhere. */
  constructor(directory: string | undefined, top: string, use: 'push' | 'pull') {
    this.#top = top;
    this.#prefix =
      directory && join(directory, `${use}-${hash('sha256', top, 'hex').slice(0, 16)}`);
  }

  #storedBy(algorithm: DigestAlgorithm): StoredDigests {
    const known = this.#stored.get(algorithm);
    if (known !== undefined) return known;
    const stored = StoredDigests.decode(this.#read(algorithm) ?? Buffer.alloc(0));
    this.#stored.set(algorithm, stored);
    return stored;
  }

  /** The file's digest if it is known without reading it. */
  known(entry: FoundEntry, algorithm: DigestAlgorithm): string | undefined {
    if (entry.kind !== 'file') return '';
    const fresh =
      this.#fresh.size === 0 ? undefined : this.#fresh.get(`${algorithm} ${entry.path}`);
    return fresh ?? this.#storedBy(algorithm).lookup(entry);
  }

  /** The file's digest, read if need be; undefined when it has gone. */
  digest(entry: FoundEntry, algorithm: DigestAlgorithm): string | undefined {
    const known = this.known(entry, algorithm);
    if (known !== undefined) return known;
    this.#changed.add(algorithm);
    const digest = digestOf(this.#top, entry, algorithm, this.#digests);
    if (digest !== undefined) this.#fresh.set(`${algorithm} ${entry.path}`, digest);
    return digest;
  }

  /** The entries with their digests; undefined when a file would have to be read for that. */
  allKnown(entries: readonly FoundEntry[], algorithm: DigestAlgorithm): TreeEntry[] | undefined {
    const known: TreeEntry[] = [];
    for (const entry of entries) {
      const digest = this.known(entry, algorithm);
      if (digest === undefined) return undefined;
      known.push(digest === '' ? entry : { ...entry, digest });
    }
    return known;
  }

  /** Takes a digest made while the file was sent. */
  learn(entry: FoundEntry, sha256: string, readMs: number): void {
    this.#changed.add('sha256');
    this.#fresh.set(`sha256 ${entry.path}`, sha256);
    this.#digests.remember(this.#key('sha256', entry), entry.stats, sha256, readMs);
  }

  #key(algorithm: DigestAlgorithm, { path }: FoundEntry): string {
    return digestKey(algorithm, `${this.#top}/${path}`);
  }

  /** The tree that was last pushed, if its digest is this. */
  pushed(digest: string): TreeEntry[] | undefined {
    const entries = decodeEntries(this.#read('pushed')?.toString() ?? '');
    return entries !== undefined && treeDigest(entries) === digest ? entries : undefined;
  }

  /** Keeps what has been learned of the tree's files; `isPushed`: also that the tree was pushed as it is. */
  save(entries: readonly FoundEntry[], isPushed: boolean): void {
    for (const algorithm of this.#changed) {
      const stored = entries.flatMap((entry): StoredDigest | [] => {
        if (entry.kind !== 'file') return [];
        const digest =
          this.#digests.lookup(this.#key(algorithm, entry), entry.stats) ??
          this.#storedBy(algorithm).lookup(entry);
        return digest === undefined ? [] : { entry, digest };
      });
      this.#write(algorithm, encodeStoredDigests(stored));
    }
    this.#changed.clear();
    const pushed = isPushed ? this.allKnown(entries, 'sha256') : undefined;
    if (pushed !== undefined) this.#write('pushed', encodeEntries(pushed));
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
