// Digests of a tree's files in a file, in the order that a walk gives them: read back without making an object of each.
import type { FoundEntry } from '../archive/tree-walk.ts';

/** size, mtime, ctime, inode. */
const numbers = 4;
const headerBytes = 16;
const magic = 'gomote01';

export interface StoredDigest {
  readonly entry: FoundEntry;
  /** Lower-case hex, of the same length for all. */
  readonly digest: string;
}

export class StoredDigests {
  readonly #facts: Float64Array;
  readonly #paths: readonly string[];
  readonly #digests: string;
  readonly #digestLength: number;
  /** Where the last one was found: the next is most often right behind it. */
  #last = -1;
  #byPath: Map<string, number> | undefined;

  private constructor(facts: Float64Array, paths: readonly string[], digests: string) {
    this.#facts = facts;
    this.#paths = paths;
    this.#digests = digests;
    this.#digestLength = paths.length === 0 ? 0 : digests.length / paths.length;
  }

  /** Reads {@link encodeStoredDigests}; nothing is known when the bytes are something else. */
  static decode(bytes: Buffer): StoredDigests {
    const empty = new StoredDigests(new Float64Array(), [], '');
    if (bytes.length < headerBytes || bytes.toString('latin1', 0, 8) !== magic) return empty;
    const count = bytes.readUInt32LE(8);
    const digestsEnd = headerBytes + count * numbers * 8 + count * bytes.readUInt32LE(12);
    if (digestsEnd > bytes.length) return empty;
    const digestsStart = headerBytes + count * numbers * 8;
    // A view needs an aligned start, which a buffer from a pool need not have.
    const facts = new Float64Array(
      bytes.buffer.slice(bytes.byteOffset + headerBytes, bytes.byteOffset + digestsStart),
    );
    const paths = count === 0 ? [] : bytes.toString('utf8', digestsEnd).split('\0');
    if (paths.length !== count) return empty;
    return new StoredDigests(facts, paths, bytes.toString('latin1', digestsStart, digestsEnd));
  }

  /** The file's digest, unless it may have changed since. */
  lookup({ path, stats }: FoundEntry): string | undefined {
    const index = this.#indexOf(path);
    if (index === undefined) return undefined;
    const at = index * numbers;
    const facts = this.#facts;
    const isSame =
      facts[at] === stats.size &&
      facts[at + 1] === stats.mtimeMs &&
      facts[at + 2] === stats.ctimeMs &&
      facts[at + 3] === stats.ino;
    if (!isSame) return undefined;
    const start = index * this.#digestLength;
    return this.#digests.slice(start, start + this.#digestLength);
  }

  #indexOf(path: string): number | undefined {
    if (this.#paths[this.#last + 1] === path) return ++this.#last;
    if (this.#paths[this.#last] === path) return this.#last;
    this.#byPath ??= new Map(this.#paths.map((known, index) => [known, index]));
    const index = this.#byPath.get(path);
    if (index !== undefined) this.#last = index;
    return index;
  }
}

export function encodeStoredDigests(stored: readonly StoredDigest[]): Buffer {
  const header = Buffer.alloc(headerBytes);
  header.write(magic, 'latin1');
  header.writeUInt32LE(stored.length, 8);
  header.writeUInt32LE(stored[0]?.digest.length ?? 0, 12);
  const facts = new Float64Array(stored.length * numbers);
  stored.forEach(({ entry: { stats } }, index) => {
    facts.set([stats.size, stats.mtimeMs, stats.ctimeMs, stats.ino], index * numbers);
  });
  return Buffer.concat([
    header,
    Buffer.from(facts.buffer),
    Buffer.from(stored.map(({ digest }) => digest).join(''), 'latin1'),
    Buffer.from(stored.map(({ entry }) => entry.path).join('\0')),
  ]);
}
