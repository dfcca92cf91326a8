// A directory as an uncompressed tar stream, read with synchronous calls into large pieces.
import { closeSync, fstatSync, readSync, type Stats } from 'node:fs';
import { errnoOf, GomoteError, isErrno, messageOf } from '../errors.ts';
import { sentMode } from '../files/file-modes.ts';
import {
  lstatSync,
  type NamedEntry,
  openSync,
  readlinkSync,
  sortedEntries,
} from '../files/named-fs.ts';
import { readFlags } from '../files/open-flags.ts';
import type { OpenTree } from '../files/open-tree.ts';
import { stateDirectory } from '../files/reserved-names.ts';
import { errnoText } from '../protocol/process-state.ts';
import { archiveErrors, localFileError } from './archive-error.ts';
import { encodeHeader, type HeaderFields } from './tar-header.ts';

/** The chunk size, in bytes: many small files, or a part of a large one. */
const pieceBytes = 1024 * 1024;
const blockSize = 512;
/** The errors of opening when something else is in the file's place. */
const replacedCodes = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'];

const permissions = (stats: Stats): number => stats.mode & 0o7777;

/** Counted up while packing: regular files, and the bytes in them. */
export interface PackTotals {
  files: number;
  bytes: number;
}

/** Called with entries that were skipped, and with files that changed, which keep their first size, cut or filled with zeros. */
type OnSkipped = (name: string, reason: string) => void;

export interface BlockOptions {
  /** Called with what is left out, or does not come as it is, and why. Default: such a thing is a failure. */
  readonly onSkipped?: OnSkipped | undefined;
  /** Paths in plain form that are left out, with all below them. */
  readonly exclude?: readonly string[] | undefined;
  /** Whether times have milliseconds. Default: whole seconds. */
  readonly isPrecise?: boolean | undefined;
}

export class TarBlocks {
  readonly #tree: OpenTree;
  readonly #totals: PackTotals;
  readonly #onSkipped: OnSkipped | undefined;
  readonly #excluded: ReadonlySet<string>;
  readonly #isPrecise: boolean | undefined;
  #piece = Buffer.allocUnsafe(pieceBytes);
  #used = 0;
  /** The first that changed, when there is no listener for each. */
  #changed: string | undefined;

  /** Without `onSkipped`, what cannot be packed is a failure: a change while reading at the end, anything else at once. */
  constructor(
    tree: OpenTree,
    totals: PackTotals,
    { onSkipped, exclude = [], isPrecise }: BlockOptions,
  ) {
    this.#tree = tree;
    this.#totals = totals;
    this.#onSkipped = onSkipped;
    this.#excluded = new Set(exclude);
    this.#isPrecise = isPrecise;
  }

  /** The pieces of the tree without its top. */
  *all(): Generator<Buffer, void, void> {
    yield* this.#content('');
    yield* this.#end();
  }

  /** The pieces of one entry that is no directory. */
  *single(name: string, stats: Stats): Generator<Buffer, void, void> {
    yield* this.#entry(name, stats);
    yield* this.#end();
  }

  /** The pieces of single entries; of a directory, without what is in it. */
  *listed(paths: Iterable<string>): Generator<Buffer, void, void> {
    for (const name of paths) yield* this.#listedEntry(name);
    yield* this.#end();
  }

  *#listedEntry(name: string): Generator<Buffer, void, void> {
    const stats = this.#attempt(name, () =>
      lstatSync(this.#tree.at(name), { throwIfNoEntry: false }),
    );
    if (stats === undefined) this.#change(name);
    else if (!stats.isDirectory()) yield* this.#entry(name, stats);
    else yield* this.#header(directoryHeader(name, stats, this.#tree.at(name)));
  }

  *#end(): Generator<Buffer, void, void> {
    if (this.#changed !== undefined) {
      throw new GomoteError('ERR_LOST', `${this.#changed} changed while it was read`);
    }
    // In one piece: a stream cut between the two blocks would look whole.
    yield* this.#write(Buffer.alloc(2 * blockSize));
    yield this.#take();
  }

  #change(name: string): void {
    if (this.#onSkipped === undefined) this.#changed ??= name;
    else this.#onSkipped(name, 'changed while it was read');
  }

  /** Runs system calls for an entry; undefined when what fails is to be left out. */
  #attempt<T>(name: string, calls: () => T): T | undefined {
    try {
      return calls();
    } catch (error) {
      this.#failed(name, error);
      return undefined;
    }
  }

  #failed(name: string, error: unknown): void {
    // Without the top there is nothing to send.
    const isTop = name === '';
    if (wasReplaced(error) && !isTop) this.#change(name);
    else if (this.#onSkipped === undefined || isTop) {
      throw localFileError(this.#tree.shown(name), error);
    } else this.#onSkipped(name, reasonOf(error));
  }

  *#content(path: string): Generator<Buffer, void, void> {
    const read = () => sortedEntries(this.#tree.directory(path).self);
    const entries = this.#attempt(path, read);
    for (const entry of entries ?? []) {
      if (path === '' && entry.name === stateDirectory) continue;
      const name = path === '' ? entry.name : `${path}/${entry.name}`;
      if (!this.#excluded.has(name)) yield* this.#entry(name, entry);
    }
  }

  *#entry(name: string, type: NamedEntry | Stats): Generator<Buffer, void, void> {
    // A socket is useless without its process.
    if (type.isSocket()) return;
    if (type.isFile()) return yield* this.#file(name);
    const found = this.#attempt(name, () => this.#other(name, type));
    if (found === undefined) return;
    yield* this.#header(found.header);
    if (found.isDirectory) yield* this.#content(name);
  }

  /** The header of an entry other than a file; undefined when it has changed. */
  #other(
    name: string,
    type: NamedEntry | Stats,
  ): { header: HeaderFields; isDirectory: boolean } | undefined {
    if (type.isBlockDevice() || type.isCharacterDevice()) {
      throw archiveErrors.unpackable(this.#tree.shown(name), aDevice);
    }
    const at = this.#tree.at(name);
    const stats = lstatSync(at);
    const isDirectory = stats.isDirectory();
    if (isDirectory) return { header: directoryHeader(name, stats, at), isDirectory };
    const common = { name, mode: permissions(stats), sizeBytes: 0, mtimeMs: stats.mtimeMs };
    if (stats.isSymbolicLink()) {
      const linkTarget = readlinkSync(at);
      return { header: { ...common, type: 'SymbolicLink', linkTarget }, isDirectory };
    }
    if (stats.isFIFO()) return { header: { ...common, type: 'FIFO' }, isDirectory };
    this.#change(name);
    return undefined;
  }

  *#file(name: string): Generator<Buffer, void, void> {
    const fd = this.#attempt(name, () => openSync(this.#tree.at(name), readFlags));
    if (fd === undefined) return;
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) return this.#change(name);
      const { size, mtimeMs } = stats;
      const mode = sentMode(stats, fd);
      yield* this.#header({ name, type: 'File', mode, sizeBytes: size, mtimeMs });
      const missing = yield* this.#copy(fd, name, size);
      if (missing !== 0) this.#change(name);
      this.#totals.files++;
      this.#totals.bytes += size;
      yield* this.#zeros(Math.max(missing, 0) + ((blockSize - (size % blockSize)) % blockSize));
    } finally {
      closeSync(fd);
    }
  }

  /** Copies `size` bytes. Returns how many the file lacks; -1 when it has more. */
  *#copy(fd: number, name: string, size: number): Generator<Buffer, number, void> {
    for (let left = size; ; ) {
      if (this.#used === pieceBytes) yield this.#take();
      // Reading one byte more shows whether the file has grown.
      const asked = Math.min(left + 1, pieceBytes - this.#used);
      const got = this.#read(fd, name, asked);
      if (got === undefined) return left;
      this.#used += Math.min(got, left);
      if (got > left) return -1;
      left -= got;
      if (got < asked) {
        if (left === 0 || got === 0) return left;
      }
    }
  }

  /** Undefined when reading has failed and the failure was reported. */
  #read(fd: number, name: string, bytes: number): number | undefined {
    return this.#attempt(name, () => readSync(fd, this.#piece, this.#used, bytes, null));
  }

  *#header(fields: HeaderFields): Generator<Buffer, void, void> {
    yield* this.#write(encodeHeader({ ...fields, isPrecise: this.#isPrecise }));
  }

  /** Writes bytes that must not be split and fit into a chunk. */
  *#write(bytes: Buffer): Generator<Buffer, void, void> {
    if (this.#used > 0 && this.#used + bytes.length > pieceBytes) yield this.#take();
    this.#used += bytes.copy(this.#piece, this.#used);
  }

  *#zeros(count: number): Generator<Buffer, void, void> {
    for (let left = count; left > 0; ) {
      if (this.#used === pieceBytes) yield this.#take();
      const end = Math.min(this.#used + left, pieceBytes);
      this.#piece.fill(0, this.#used, end);
      left -= end - this.#used;
      this.#used = end;
    }
  }

  /** The current chunk, whose buffer now belongs to the reader. */
  #take(): Buffer {
    const taken = this.#piece.subarray(0, this.#used);
    this.#piece = Buffer.allocUnsafe(pieceBytes);
    this.#used = 0;
    return taken;
  }
}

const directoryHeader = (name: string, stats: Stats, path: string): HeaderFields => ({
  name: `${name}/`,
  type: 'Directory',
  mode: sentMode(stats, path),
  sizeBytes: 0,
  mtimeMs: stats.mtimeMs,
});

const wasReplaced = (error: unknown): boolean => isErrno(error, ...replacedCodes);

const aDevice = 'a device cannot be sent';

/** Why an entry is skipped, without its path. */
function reasonOf(error: unknown): string {
  const code = error instanceof GomoteError ? undefined : errnoOf(error);
  if (code !== undefined) return errnoText(code);
  const message = messageOf(error);
  return message.slice(message.lastIndexOf(': ') + 1).trim();
}
