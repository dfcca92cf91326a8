// The digests of files in a listed tree: those that earlier listings found, and those that this one finds.
import { setImmediate } from 'node:timers/promises';
import type { OpenTree } from '../../files/open-tree.ts';
import type { DigestCache } from '../../tree/digest-cache.ts';
import { type Examined, examine, isRegular, type Wanted } from './examine.ts';

export class KnownDigests {
  readonly #cache: DigestCache;
  readonly #tree: OpenTree;
  /** Whether known files are likely to be unchanged, as the last one was. A tree that was put there again has new files. */
  #isTrusted = true;

  constructor(cache: DigestCache, tree: OpenTree) {
    this.#cache = cache;
    this.#tree = tree;
  }

  /** Whether the digest of a file is to be found out: not when it is likely to be known. */
  mustRead(name: string): boolean {
    return !(this.#isTrusted && this.#cache.has(this.#key(name)));
  }

  /** What the entry is, with its digest if it is a file; undefined for one that was taken for known and must be read. */
  complete({ name, reads }: Wanted, seen: Examined): Examined | undefined {
    if (typeof seen !== 'object' || !('mode' in seen) || !isRegular(seen)) return seen;
    const key = this.#key(name);
    const known = this.#cache.lookup(key, seen);
    if (known !== undefined) this.#isTrusted = true;
    else if (this.#isTrusted && this.#cache.has(key)) this.#isTrusted = false;
    if (reads) {
      const { sha1, openedAtMs } = seen;
      if (sha1 !== undefined) this.#cache.remember(key, seen, sha1, openedAtMs);
      return seen;
    }
    return known === undefined ? undefined : { ...seen, sha1: known };
  }

  /** Reads an entry that was taken for known. */
  async read({ name }: Wanted): Promise<Examined> {
    const again = { name, reads: true };
    const [found = 'gone'] = await examine(this.#tree, [again], setImmediate);
    return this.complete(again, found) ?? found;
  }

  #key(name: string): string {
    return `sha1 ${this.#tree.shown(name)}`;
  }
}
