// What is known of a tree of this machine from before: the digests of its files, and how it was last pushed.
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

/** Only a cache: without it, a push takes longer. */
export class LocalCache {
  readonly #path: string | undefined;
  readonly #top: string;
  #digests = new DigestCache();
  readonly #fresh = new Map<string, string>();
  #isChanged = false;
  /** The tree as it was last pushed, in the form of `encodeEntries`. */
  #pushed = '';

  /** `directory` is where it is kept; undefined: nowhere. */
  constructor(directory: string | undefined, top: string) {
    this.#top = top;
    this.#path =
      directory && join(directory, `tree-${hash('sha256', top, 'hex').slice(0, 16)}.json`);
    if (this.#path !== undefined) this.#load(this.#path);
  }

  #load(path: string): void {
    try {
      const saved: unknown = JSON.parse(readFileSync(path, 'utf8'));
      if (!isSaved(saved)) return;
      this.#digests = new DigestCache(saved.digests);
      this.#pushed = saved.pushed;
    } catch {
      // None yet, or none that can be used.
    }
  }

  /** The file's digest if it is known without reading it; what was found out in this run holds to its end. */
  known(entry: FoundEntry, algorithm: DigestAlgorithm): string | undefined {
    if (entry.kind !== 'file') return '';
    const fresh = this.#fresh.get(`${algorithm} ${entry.path}`);
    return (
      fresh ?? this.#digests.lookup(digestKey(algorithm, `${this.#top}/${entry.path}`), entry.stats)
    );
  }

  /** The file's digest, read if need be; undefined when it has gone. */
  digest(entry: FoundEntry, algorithm: DigestAlgorithm): string | undefined {
    const known = this.known(entry, algorithm);
    if (known !== undefined) return known;
    this.#isChanged = true;
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
    this.#isChanged = true;
    this.#fresh.set(`sha256 ${entry.path}`, sha256);
    this.#digests.remember(
      digestKey('sha256', `${this.#top}/${entry.path}`),
      entry.stats,
      sha256,
      readMs,
    );
  }

  /** The tree that was last pushed, if its digest is this. */
  pushed(digest: string): TreeEntry[] | undefined {
    const entries = decodeEntries(this.#pushed);
    return entries !== undefined && treeDigest(entries) === digest ? entries : undefined;
  }

  /** Keeps what has been learned; `isPushed`: also that the tree was pushed as it is. */
  save(entries: readonly FoundEntry[], isPushed: boolean): void {
    const pushed = isPushed ? this.allKnown(entries, 'sha256') : undefined;
    const text = pushed === undefined ? this.#pushed : encodeEntries(pushed);
    if (this.#path === undefined || (!this.#isChanged && text === this.#pushed)) return;
    this.#pushed = text;
    this.#isChanged = false;
    try {
      mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
      const partial = `${this.#path}.${process.pid}`;
      const saved = JSON.stringify({ digests: [...this.#digests.entries()], pushed: text });
      writeFileSync(partial, saved, { mode: 0o600 });
      renameSync(partial, this.#path);
    } catch {
      // The next push is slower.
    }
  }
}

type Saved = { digests: ConstructorParameters<typeof DigestCache>[0] & object; pushed: string };

/** Files of ours are not read by anybody else: what is in them is not looked at more closely. */
const isSaved = (value: unknown): value is Saved =>
  typeof value === 'object' &&
  value !== null &&
  'digests' in value &&
  Array.isArray(value.digests) &&
  'pushed' in value &&
  typeof value.pushed === 'string';
