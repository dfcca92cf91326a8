// A tree in a file: what told each entry from a changed one, and the text that the tree's digest is made of. In the order
// that a walk gives, so that it is read back, compared and written again without making an object of each entry.
import { hash } from 'node:crypto';
import { bytesOfName, nameFromBytes } from '../../protocol/name-bytes.ts';
import { contentIn, digestOfTimes, digestText, type TreeEntry } from '../../protocol/tree-entry.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import { matchTrees, type TreeMatch } from '../push/tree-match.ts';

/** A file's digest, as it was found out. */
export interface FreshDigest {
  readonly digest: string;
  /** Whether the file's size, times and inode will tell that it is still the same. */
  readonly isTold: boolean;
}

interface Matched extends TreeMatch {
  readonly entries: readonly FoundEntry[];
}

const magic = 'gomote03';
/** magic; checksum of what follows, without the text, whose digest it has; number of entries; whether all digests are known. */
const headerBytes = 112;
const checksumAt = 8;
const digestAt = 40;
const countAt = 104;
const wholeAt = 108;
/** size, mtime, ctime, inode, kind and mode. */
const factCount = 5;
const kinds = ['file', 'directory', 'symlink'] as const;
const modeBits = 0o10000;

const kindAndMode = ({ kind, mode }: TreeEntry): number => kinds.indexOf(kind) * modeBits + mode;

export class StoredTree {
  /** Of the whole tree; empty while a file's is not known. */
  readonly digest: string;
  readonly #facts: Float64Array;
  /** Two for each entry, as they are digested: what it is, and its path. */
  readonly #fields: readonly string[];
  /** All of those, each ended by a NUL. */
  readonly #text: Buffer;
  /** Where the last one was found: the next is most often right behind it. */
  #last = -1;
  #byPath: Map<string, number> | undefined;
  /** With what it was compared last. */
  #match: Matched | undefined;

  private constructor(
    digest: string,
    facts: Float64Array,
    text: Buffer,
    fields: readonly string[] = nameFromBytes(text).split('\0'),
  ) {
    this.digest = digest;
    this.#facts = facts;
    this.#text = text;
    this.#fields = fields;
  }

  static readonly empty: StoredTree = new StoredTree('', new Float64Array(), Buffer.alloc(0));

  /** Reads what {@link encode} gave; nothing is known when the bytes are something else. */
  static decode(bytes: Buffer): StoredTree {
    if (bytes.length < headerBytes || bytes.toString('latin1', 0, checksumAt) !== magic) {
      return StoredTree.empty;
    }
    const textAt = headerBytes + bytes.readUInt32LE(countAt) * factCount * 8;
    const checksum = hash('sha256', bytes.subarray(digestAt, textAt), 'buffer');
    const text = bytes.subarray(textAt);
    const digest = bytes.toString('latin1', digestAt, countAt);
    const isRight =
      checksum.equals(bytes.subarray(checksumAt, digestAt)) &&
      hash('sha256', text, 'hex') === digest;
    if (!isRight) return StoredTree.empty;
    // A view needs an aligned start, which a buffer from a pool need not have.
    const facts = new Float64Array(
      bytes.buffer.slice(bytes.byteOffset + headerBytes, bytes.byteOffset + textAt),
    );
    return new StoredTree(bytes.readUInt32LE(wholeAt) === 1 ? digest : '', facts, text);
  }

  /** The {@link timesDigest} of its files. */
  get times(): string {
    const timesMs: number[] = [];
    for (let at = 0; at < this.#facts.length; at += factCount) {
      // A file's kind and mode are below those of the other kinds.
      if ((this.#facts[at + 4] ?? 0) < modeBits) timesMs.push(Math.floor(this.#facts[at + 1] ?? 0));
    }
    return digestOfTimes(timesMs);
  }

  get #count(): number {
    return this.#facts.length / factCount;
  }

  /** The tree that these entries are, in order, with the digests that were found out since this one. */
  next(entries: readonly FoundEntry[], fresh: ReadonlyMap<string, FreshDigest>): StoredTree {
    const { runs, here } = this.#matched(entries);
    const facts = new Float64Array(entries.length * factCount);
    const fields: string[] = new Array(2 * entries.length + 1).fill('');
    for (const { at, from, length } of runs) {
      facts.set(
        this.#facts.subarray(from * factCount, (from + length) * factCount),
        at * factCount,
      );
      for (let field = 0; field < 2 * length; field++) {
        fields[2 * at + field] = this.#fields[2 * from + field] ?? '';
      }
    }
    let isWhole = true;
    const put = (index: number, known: FreshDigest | undefined) => {
      const entry = entries[index];
      if (entry === undefined) return;
      const { size, mtimeMs, ctimeMs, ino } = entry.stats;
      const told = known?.isTold === false ? Number.NaN : ctimeMs;
      facts.set([size, mtimeMs, told, ino, kindAndMode(entry)], index * factCount);
      fields[2 * index] = digestText(entry, known?.digest ?? '');
      fields[2 * index + 1] = entry.path;
      if (entry.kind === 'file' && known === undefined) isWhole = false;
    };
    let left = fresh.size;
    for (const index of here) {
      const known = fresh.get(entries[index]?.path ?? '');
      put(index, known);
      if (known !== undefined) left--;
    }
    if (left > 0) {
      entries.forEach(({ path }, index) => {
        const known = fresh.get(path);
        if (known !== undefined) put(index, known);
      });
    }
    const text = bytesOfName(fields.join('\0'));
    return new StoredTree(isWhole ? hash('sha256', text, 'hex') : '', facts, text, fields);
  }

  /** The file's digest, unless it may have changed since. */
  lookup(entry: FoundEntry): string | undefined {
    if (entry.kind !== 'file') return undefined;
    const index = this.#indexOf(entry.path);
    if (index === undefined || !this.#isSame(index, entry)) return undefined;
    return contentIn(this.#fields[2 * index] ?? '');
  }

  /** What is not told to be the same in both: of the entries, which are in order, and of this tree. */
  differing(entries: readonly FoundEntry[]): { here: FoundEntry[]; there: TreeEntry[] } {
    const { here, there } = this.#matched(entries);
    return {
      here: here.flatMap((index) => entries[index] ?? []),
      there: there.map((index) => this.#entryOf(index)),
    };
  }

  #matched(entries: readonly FoundEntry[]): Matched {
    if (this.#match?.entries === entries) return this.#match;
    const match = matchTrees(entries, {
      length: this.#count,
      pathOf: (index) => this.#pathOf(index),
      isSame: (index, entry: FoundEntry) => this.#isSame(index, entry),
    });
    this.#match = { ...match, entries };
    return this.#match;
  }

  /** Whether the entry equals the stored one; never for a file whose digest is not known. */
  #isSame(index: number, entry: FoundEntry): boolean {
    const at = index * factCount;
    const facts = this.#facts;
    const text = this.#fields[2 * index] ?? '';
    if (facts[at + 4] !== kindAndMode(entry)) return false;
    if (entry.kind !== 'file')
      return entry.kind === 'directory' || contentIn(text) === entry.target;
    const { stats } = entry;
    return (
      facts[at] === stats.size &&
      facts[at + 1] === stats.mtimeMs &&
      facts[at + 2] === stats.ctimeMs &&
      facts[at + 3] === stats.ino &&
      !text.endsWith(' ')
    );
  }

  #pathOf(index: number): string | undefined {
    return index < this.#count ? this.#fields[2 * index + 1] : undefined;
  }

  #entryOf(index: number): TreeEntry {
    const at = index * factCount;
    const told = this.#facts[at + 4] ?? 0;
    const kind = kinds[Math.floor(told / modeBits)] ?? 'file';
    const isFile = kind === 'file';
    const text = contentIn(this.#fields[2 * index] ?? '');
    return {
      kind,
      path: this.#pathOf(index) ?? '',
      mode: told % modeBits,
      size: isFile ? (this.#facts[at] ?? 0) : 0,
      mtimeMs: Math.floor(this.#facts[at + 1] ?? 0),
      digest: isFile ? text : '',
      target: isFile ? '' : text,
    };
  }

  #indexOf(path: string): number | undefined {
    if (this.#pathOf(this.#last + 1) === path) return ++this.#last;
    if (this.#pathOf(this.#last) === path) return this.#last;
    if (this.#byPath === undefined) {
      this.#byPath = new Map();
      for (let index = 0; index < this.#count; index++) {
        this.#byPath.set(this.#pathOf(index) ?? '', index);
      }
    }
    const index = this.#byPath.get(path);
    if (index !== undefined) this.#last = index;
    return index;
  }

  encode(): Buffer {
    const header = Buffer.alloc(headerBytes);
    header.write(magic, 'latin1');
    header.write(this.digest || hash('sha256', this.#text, 'hex'), digestAt, 'latin1');
    header.writeUInt32LE(this.#count, countAt);
    header.writeUInt32LE(this.digest === '' ? 0 : 1, wholeAt);
    const whole = Buffer.concat([header, Buffer.from(this.#facts.buffer), this.#text]);
    const textAt = whole.length - this.#text.length;
    hash('sha256', whole.subarray(digestAt, textAt), 'buffer').copy(whole, checksumAt);
    return whole;
  }
}
