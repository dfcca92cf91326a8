// A tree in a file: what told each entry from a changed one, and its digest. In the order that a walk gives, so that it
// is read back, and compared with a tree as it is found, without making an object of each entry.
import { hash } from 'node:crypto';
import type { FoundEntry } from '../archive/tree-walk.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';

export interface StoredEntry {
  readonly entry: FoundEntry;
  /** A file's, in lower-case hex; empty when it is not known. */
  readonly digest: string;
  /** Whether the file's size, times and inode tell that it is still the same. */
  readonly isTold: boolean;
}

const magic = 'gomote02';
/** magic; numbers of entries and of bytes of the paths and of the digests; checksum of the rest; the tree's digest. */
const headerBytes = 120;
const checksumAt = 24;
const digestAt = 56;
/** size, mtime, ctime, inode, kind and mode. */
const factCount = 5;
const kinds = ['file', 'directory', 'symlink'] as const;
const modeBits = 0o10000;

const kindAndMode = ({ kind, mode }: TreeEntry): number => kinds.indexOf(kind) * modeBits + mode;

export class StoredTree {
  /** Of the whole tree, as it was pushed; empty when it was not. */
  readonly digest: string;
  readonly #facts: Float64Array;
  readonly #paths: readonly string[];
  /** Of files; of symbolic links, where they lead. */
  readonly #digestBytes: Buffer;
  #digestList: readonly string[] | undefined;
  /** Where the last one was found: the next is most often right behind it. */
  #last = -1;
  #byPath: Map<string, number> | undefined;

  private constructor(
    digest: string,
    facts: Float64Array,
    paths: readonly string[],
    digestBytes: Buffer,
  ) {
    this.digest = digest;
    this.#facts = facts;
    this.#paths = paths;
    this.#digestBytes = digestBytes;
  }

  /** Reads {@link encodeStoredTree}; nothing is known when the bytes are something else. */
  static decode(bytes: Buffer): StoredTree {
    const empty = new StoredTree('', new Float64Array(), [], Buffer.alloc(0));
    if (bytes.length < headerBytes || bytes.toString('latin1', 0, 8) !== magic) return empty;
    const checksum = hash('sha256', bytes.subarray(digestAt), 'buffer');
    if (!checksum.equals(bytes.subarray(checksumAt, digestAt))) return empty;
    const count = bytes.readUInt32LE(8);
    const factsEnd = headerBytes + count * factCount * 8;
    const pathsEnd = factsEnd + bytes.readUInt32LE(12);
    // A view needs an aligned start, which a buffer from a pool need not have.
    const facts = new Float64Array(
      bytes.buffer.slice(bytes.byteOffset + headerBytes, bytes.byteOffset + factsEnd),
    );
    const paths = count === 0 ? [] : bytes.toString('utf8', factsEnd, pathsEnd).split('\0');
    const digest = bytes.toString('latin1', digestAt, headerBytes).replace(/\0+$/, '');
    return new StoredTree(digest, facts, paths, bytes.subarray(pathsEnd));
  }

  /** The file's digest, unless it may have changed since. */
  lookup(entry: FoundEntry): string | undefined {
    const index = this.#indexOf(entry.path);
    if (index === undefined || !this.#isUnchanged(index, entry)) return undefined;
    return this.#digestOf(index) || undefined;
  }

  /** Whether a tree, all of it, is told to be this one. */
  isOf(entries: readonly FoundEntry[]): boolean {
    if (entries.length !== this.#paths.length) return false;
    return entries.every((entry, index) => {
      if (entry.path !== this.#paths[index]) return false;
      if (this.#facts[index * factCount + 4] !== kindAndMode(entry)) return false;
      if (entry.kind === 'file') return this.#isUnchanged(index, entry);
      return entry.kind === 'directory' || entry.target === this.#digestOf(index);
    });
  }

  entries(): TreeEntry[] {
    return this.#paths.map((path, index) => {
      const at = index * factCount;
      const told = this.#facts[at + 4] ?? 0;
      const kind = kinds[Math.floor(told / modeBits)] ?? 'file';
      const isFile = kind === 'file';
      const text = this.#digestOf(index);
      return {
        kind,
        path,
        mode: told % modeBits,
        size: isFile ? (this.#facts[at] ?? 0) : 0,
        mtimeMs: Math.floor(this.#facts[at + 1] ?? 0),
        digest: isFile ? text : '',
        target: isFile ? '' : text,
      };
    });
  }

  #isUnchanged(index: number, { stats }: FoundEntry): boolean {
    const at = index * factCount;
    const facts = this.#facts;
    return (
      facts[at] === stats.size &&
      facts[at + 1] === stats.mtimeMs &&
      facts[at + 2] === stats.ctimeMs &&
      facts[at + 3] === stats.ino
    );
  }

  #digestOf(index: number): string {
    this.#digestList ??= this.#digestBytes.toString().split('\0');
    return this.#digestList[index] ?? '';
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

/** `digest` is the tree's, if it was pushed as it is. */
export function encodeStoredTree(stored: readonly StoredEntry[], digest = ''): Buffer {
  const facts = new Float64Array(stored.length * factCount);
  stored.forEach(({ entry, isTold }, index) => {
    const { size, mtimeMs, ctimeMs, ino } = entry.stats;
    const at = index * factCount;
    facts[at] = size;
    facts[at + 1] = mtimeMs;
    facts[at + 2] = isTold ? ctimeMs : Number.NaN;
    facts[at + 3] = ino;
    facts[at + 4] = kindAndMode(entry);
  });
  const paths = Buffer.from(stored.map(({ entry }) => entry.path).join('\0'));
  const digests = Buffer.from(
    stored.map((one) => (one.entry.kind === 'file' ? one.digest : one.entry.target)).join('\0'),
  );
  const header = Buffer.alloc(headerBytes);
  header.write(magic, 'latin1');
  header.writeUInt32LE(stored.length, 8);
  header.writeUInt32LE(paths.length, 12);
  header.writeUInt32LE(digests.length, 16);
  header.write(digest, digestAt, 'latin1');
  const whole = Buffer.concat([header, Buffer.from(facts.buffer), paths, digests]);
  hash('sha256', whole.subarray(digestAt), 'buffer').copy(whole, checksumAt);
  return whole;
}
