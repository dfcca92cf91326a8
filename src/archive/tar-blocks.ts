// A directory as an uncompressed tar stream, read with synchronous calls into large pieces.
import { closeSync, constants, fstatSync, readSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, GomoteError } from '../errors.ts';
import { resolveInsideSync } from '../files/confine.ts';
import { lstatSync, type NamedEntry, openSync, readlinkSync } from '../files/named-fs.ts';
import { archiveErrors, localFileError } from './archive-error.ts';
import { sortedEntries } from './directory-names.ts';
import { stateDirectory } from './reserved-names.ts';
import { encodeHeader, type HeaderFields } from './tar-header.ts';

/** How much is read before it is handed on: a good many small files, or a part of a large one. */
const pieceBytes = 1024 * 1024;
const blockSize = 512;
/** Without O_NONBLOCK, a FIFO put in a file's place would hold up everything. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** What opening gives when something else has taken the file's place. */
const replacedCodes = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'];

const permissions = (stats: Stats): number => stats.mode & 0o7777;

/** Counted up while packing: regular files, and the bytes in them. */
export interface PackTotals {
  files: number;
  bytes: number;
}

export class TarBlocks {
  readonly #totals: PackTotals;
  #piece = Buffer.allocUnsafe(pieceBytes);
  #used = 0;
  #changed: string | undefined;

  constructor(totals: PackTotals) {
    this.#totals = totals;
  }

  /** The pieces of `path`: a directory's content without itself, or `name` alone when it is anything else. */
  *pieces(path: string, name: string, stats: Stats): Generator<Buffer, void, void> {
    if (stats.isDirectory()) yield* this.#content(path, '');
    else yield* this.#entry(path, name, stats);
    yield* this.#end();
  }

  /** The pieces of single entries below `directory`, a real path; of a directory, without what is in it. */
  *listed(directory: string, paths: Iterable<string>): Generator<Buffer, void, void> {
    const parents = new Map<string, string>();
    for (const name of paths) {
      const slash = name.lastIndexOf('/');
      const parent = name.slice(0, Math.max(slash, 0));
      // Stops a path that leads out, by itself or through a link.
      const place = parents.get(parent) ?? resolveInsideSync(directory, parent, { follow: true });
      parents.set(parent, place);
      yield* this.#single(join(place, name.slice(slash + 1)), name);
    }
    yield* this.#end();
  }

  *#single(path: string, name: string): Generator<Buffer, void, void> {
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats === undefined) this.#changed ??= name;
    else if (!stats.isDirectory()) yield* this.#entry(path, name, stats);
    else yield* this.#header(directoryHeader(name, stats));
  }

  *#end(): Generator<Buffer, void, void> {
    if (this.#changed !== undefined) {
      throw new GomoteError('ERR_LOST', `${this.#changed} changed while it was read`);
    }
    // In one piece: a stream cut between the two blocks would look whole.
    yield* this.#write(Buffer.alloc(2 * blockSize));
    yield this.#take();
  }

  *#content(directory: string, prefix: string): Generator<Buffer, void, void> {
    let entries: NamedEntry[];
    try {
      entries = sortedEntries(directory);
    } catch (error) {
      if (prefix === '' || !wasReplaced(error)) throw described(directory, error);
      this.#changed ??= prefix;
      return;
    }
    for (const entry of entries) {
      if (prefix === '' && entry.name === stateDirectory) continue;
      yield* this.#entry(join(directory, entry.name), prefix + entry.name, entry);
    }
  }

  *#entry(path: string, name: string, type: NamedEntry | Stats): Generator<Buffer, void, void> {
    // A socket is of no use without the process that listens on it.
    if (type.isSocket()) return;
    if (type.isBlockDevice() || type.isCharacterDevice()) {
      throw archiveErrors.unpackable(path, 'a device cannot be sent');
    }
    try {
      if (type.isFile()) yield* this.#file(path, name);
      else yield* this.#other(path, name);
    } catch (error) {
      if (!wasReplaced(error)) throw described(path, error);
      this.#changed ??= name;
    }
  }

  *#other(path: string, name: string): Generator<Buffer, void, void> {
    const stats = lstatSync(path);
    const common = { name, mode: permissions(stats), sizeBytes: 0, mtimeMs: stats.mtimeMs };
    if (stats.isDirectory()) {
      yield* this.#header(directoryHeader(name, stats));
      yield* this.#content(path, `${name}/`);
    } else if (stats.isSymbolicLink()) {
      yield* this.#header({ ...common, type: 'SymbolicLink', linkTarget: readlinkSync(path) });
    } else if (stats.isFIFO()) {
      yield* this.#header({ ...common, type: 'FIFO' });
    } else {
      this.#changed ??= name;
    }
  }

  *#file(path: string, name: string): Generator<Buffer, void, void> {
    const fd = openSync(path, openFlags);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile()) {
        this.#changed ??= name;
        return;
      }
      const { size, mtimeMs } = stats;
      const mode = permissions(stats);
      yield* this.#header({ name, type: 'File', mode, sizeBytes: size, mtimeMs });
      const missing = yield* this.#copy(fd, size);
      if (missing !== 0) this.#changed ??= name;
      this.#totals.files++;
      this.#totals.bytes += size;
      yield* this.#zeros(Math.max(missing, 0) + ((blockSize - (size % blockSize)) % blockSize));
    } finally {
      closeSync(fd);
    }
  }

  /** Copies `size` bytes. Returns how many the file lacks; -1 when it has more. */
  *#copy(fd: number, size: number): Generator<Buffer, number, void> {
    for (let left = size; ; ) {
      if (this.#used === pieceBytes) yield this.#take();
      // One byte more than the rest tells in the same call whether the file has grown.
      const asked = Math.min(left + 1, pieceBytes - this.#used);
      const got = readSync(fd, this.#piece, this.#used, asked, null);
      this.#used += Math.min(got, left);
      if (got > left) return -1;
      left -= got;
      if (got < asked) {
        if (left === 0 || got === 0) return left;
      }
    }
  }

  *#header(fields: HeaderFields): Generator<Buffer, void, void> {
    yield* this.#write(encodeHeader(fields));
  }

  /** Writes what must not be split; anything that fits into a piece. */
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

  /** The piece so far; its memory belongs to the reader from now on. */
  #take(): Buffer {
    const taken = this.#piece.subarray(0, this.#used);
    this.#piece = Buffer.allocUnsafe(pieceBytes);
    this.#used = 0;
    return taken;
  }
}

const directoryHeader = (name: string, stats: Stats): HeaderFields => ({
  name: `${name}/`,
  type: 'Directory',
  mode: permissions(stats),
  sizeBytes: 0,
  mtimeMs: stats.mtimeMs,
});

const wasReplaced = (error: unknown): boolean => replacedCodes.includes(errnoOf(error) ?? '');

const described = (path: string, error: unknown): unknown =>
  error instanceof GomoteError ? error : localFileError(path, error);
