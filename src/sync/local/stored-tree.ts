// The stored state of a local tree: its entries, with the fields that show whether each has changed.
import { type TreeEntry, timesDigest, treeDigest } from '../../protocol/tree-entry.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';

/** A file's digest, as computed. */
export interface FreshDigest {
  readonly digest: string;
  /** Whether a change of the file would show in its size, times or inode. */
  readonly isTold: boolean;
}

const kinds = ['file', 'directory', 'symlink'] as const;

/** An entry as stored. Rows are used as read: creating objects takes time. */
type Row = readonly [
  path: string,
  kind: number,
  mode: number,
  size: number,
  mtimeMs: number,
  /** null when a change would not show. */
  ctimeMs: number | null,
  ino: number,
  /** A file's digest, empty while unknown, or a link's target. */
  content: string,
];

const isRow = (row: unknown): row is Row => Array.isArray(row) && row.length === 8;

interface Stored {
  readonly format: 5;
  readonly digest: string;
  readonly times: string;
  readonly rows: readonly Row[];
}

const nothing: Stored = { format: 5, digest: '', times: '', rows: [] };

export class StoredTree {
  readonly #stored: Stored;
  #byPath: ReadonlyMap<string, Row> | undefined;

  private constructor(stored: Stored) {
    this.#stored = stored;
  }

  static readonly empty: StoredTree = new StoredTree(nothing);

  /** Reads the result of {@link encode}; anything else gives an empty state. */
  static decode(text: string): StoredTree {
    try {
      const stored = JSON.parse(text) as Stored;
      const isRight = stored.format === nothing.format && stored.rows.every(isRow);
      return isRight ? new StoredTree(stored) : StoredTree.empty;
    } catch {
      return StoredTree.empty;
    }
  }

  encode(): string {
    return JSON.stringify(this.#stored);
  }

  /** The digest of the whole tree; empty while a file's is unknown. */
  get digest(): string {
    return this.#stored.digest;
  }

  /** The {@link timesDigest} of its files. */
  get times(): string {
    return this.#stored.times;
  }

  /** The state of these entries, with the digests that were computed since. */
  next(found: readonly FoundEntry[], fresh: ReadonlyMap<string, FreshDigest>): StoredTree {
    const rows = found.map((entry) => {
      const known = fresh.get(entry.path);
      return (known === undefined && this.#sameAs(entry)) || rowOf(entry, known);
    });
    const entries = rows.map(entryOf);
    const isWhole = entries.every(({ kind, digest }) => kind !== 'file' || digest !== '');
    const digest = isWhole ? treeDigest(entries) : '';
    return new StoredTree({ ...nothing, digest, times: timesDigest(entries), rows });
  }

  /** The file's digest, unless it may have changed since. */
  lookup(entry: FoundEntry): string | undefined {
    return entry.kind === 'file' ? this.#sameAs(entry)?.[7] : undefined;
  }

  /** The entries that are not known to be equal: of the given ones and of this state. */
  differing(entries: readonly FoundEntry[]): { here: FoundEntry[]; there: TreeEntry[] } {
    const { rows } = this.#stored;
    const isAllSame =
      rows.length === entries.length &&
      entries.every((entry, at) => {
        const row = rows[at];
        return row !== undefined && row[0] === entry.path && isSame(row, entry);
      });
    if (isAllSame) return { here: [], there: [] };
    const same = new Set<Row>();
    const here = entries.filter((entry) => {
      const row = this.#sameAs(entry);
      if (row !== undefined) same.add(row);
      return row === undefined;
    });
    return { here, there: rows.filter((row) => !same.has(row)).map(entryOf) };
  }

  /** The stored row of an entry that is known to be unchanged. */
  #sameAs(entry: FoundEntry): Row | undefined {
    this.#byPath ??= new Map(this.#stored.rows.map((row) => [row[0], row]));
    const row = this.#byPath.get(entry.path);
    return row !== undefined && isSame(row, entry) ? row : undefined;
  }
}

/** Whether the entry equals the stored one; never for a file without a digest. */
function isSame(
  [, kind, mode, size, mtimeMs, ctimeMs, ino, content]: Row,
  entry: FoundEntry,
): boolean {
  if (kinds[kind] !== entry.kind || mode !== entry.mode) return false;
  if (entry.kind !== 'file') return content === entry.target;
  return (
    size === entry.size &&
    mtimeMs === entry.mtimeMs &&
    ctimeMs === entry.ctimeMs &&
    ino === entry.ino &&
    content !== ''
  );
}

function rowOf(entry: FoundEntry, known: FreshDigest | undefined): Row {
  const { kind, path, mode, size, mtimeMs, target, ino } = entry;
  const ctimeMs = known?.isTold === false ? null : entry.ctimeMs;
  const content = kind === 'file' ? (known?.digest ?? '') : target;
  return [path, kinds.indexOf(kind), mode, size, mtimeMs, ctimeMs, ino, content];
}

function entryOf([path, letter, mode, size, mtimeMs, , , content]: Row): TreeEntry {
  const kind = kinds[letter] ?? 'file';
  const [digest, target] = kind === 'file' ? [content, ''] : ['', content];
  return { kind, path, mode, size, mtimeMs, digest, target };
}
