// Writes a tree stream: parts of a head and the contents of the files that it names, read with synchronous calls.
import { createHash, hash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf, GomoteError, messageOf } from '../errors.ts';
import {
  encodeChanges,
  encodeFailure,
  type TreeChange,
  treeStream,
} from '../protocol/tree-change.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { localFileError } from './archive-error.ts';

/** How much is read before it is handed on. */
const pieceBytes = 256 << 10;
/** Files up to this size are read in one call and digested at once. */
const smallBytes = 64 << 10;
/** Without O_NONBLOCK, a FIFO put in a file's place would hold up everything. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

const { digestBytes, lengthBytes } = treeStream;

export interface TreeSenderOptions {
  /** Told the SHA-256 of each file's content as it was sent. */
  readonly onDigest?: (entry: TreeEntry, sha256: string) => void;
  /** Gives memory for a piece, if there is some that is not used any more. */
  readonly memory?: () => ArrayBuffer | undefined;
  /** Told SHA-256 over the digests of all heads and contents, when all has been sent. */
  readonly onProof?: (sha256: string) => void;
}

/** The pieces of the stream of `changes` to the tree at `top`, in one part; throws as {@link TreeSender.part} does. */
export function* sendTree(
  top: string,
  changes: readonly TreeChange[],
  options: TreeSenderOptions = {},
): Generator<Buffer, void, void> {
  const sender = new TreeSender(top, options);
  yield* sender.part(changes);
  yield* sender.end();
}

/** The writing of one stream: any number of parts, then the end. */
export class TreeSender {
  readonly #top: string;
  readonly #options: TreeSenderOptions;
  readonly #proof = createHash('sha256');
  #piece: Buffer;
  #used = 0;

  constructor(top: string, options: TreeSenderOptions = {}) {
    this.#top = top;
    this.#options = options;
    this.#piece = this.#freshPiece();
  }

  /**
   * The pieces of a part. Throws ERR_LOST when a file is no longer what its entry says, ERR_LOCAL_FILE when it cannot be
   * read; the stream is then without its end.
   */
  *part(changes: readonly TreeChange[]): Generator<Buffer, void, void> {
    if (changes.length === 0) return;
    yield* this.#head(encodeChanges(changes));
    for (const change of changes) {
      if (change.op !== 'write' || change.entry.kind !== 'file') continue;
      try {
        yield* this.#file(change);
      } catch (error) {
        throw described(change.entry.path, error);
      }
    }
  }

  /** Ends the stream between two parts, so that its reader fails and says why. */
  *failure(error: unknown): Generator<Buffer, void, void> {
    yield* this.#head(encodeFailure(messageOf(error)));
    yield this.#take();
  }

  *#head(text: string): Generator<Buffer, void, void> {
    const head = Buffer.from(text);
    const digest = hash('sha256', head, 'buffer');
    this.#proof.update(digest);
    const length = Buffer.alloc(lengthBytes);
    length.writeUInt32BE(head.length);
    for (const field of [length, head, digest]) yield* this.#bytes(field);
  }

  *end(): Generator<Buffer, void, void> {
    const proof = this.#proof.digest();
    for (const field of [Buffer.alloc(lengthBytes), proof]) yield* this.#bytes(field);
    this.#options.onProof?.(proof.toString('hex'));
    yield this.#take();
  }

  *#bytes(bytes: Buffer): Generator<Buffer, void, void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#used === pieceBytes) yield this.#take();
      const copied = bytes.copy(this.#piece, this.#used, at);
      this.#used += copied;
      at += copied;
    }
  }

  *#file(change: Extract<TreeChange, { op: 'write' }>): Generator<Buffer, void, void> {
    const { entry, patch } = change;
    const fd = openSync(`${this.#top}/${entry.path}`, openFlags);
    try {
      if (patch === undefined && entry.size <= smallBytes) yield* this.#small(fd, entry);
      else if (patch === undefined) yield* this.#large(fd, entry);
      else {
        let at = 0;
        for (const part of patch.parts) {
          if (part.at === undefined) yield* this.#copy(fd, entry, { at, length: part.length });
          at += part.length;
        }
        yield* this.#digest(entry, Buffer.from(entry.digest, 'hex'));
      }
    } finally {
      closeSync(fd);
    }
  }

  *#small(fd: number, entry: TreeEntry): Generator<Buffer, void, void> {
    const { size } = entry;
    if (pieceBytes - this.#used < size + 1 + digestBytes) yield this.#take();
    // One byte more than is due tells in the same call whether the file has grown.
    const got = readSync(fd, this.#piece, this.#used, size + 1, null);
    if (got !== size) throw changed(entry);
    const content = this.#piece.subarray(this.#used, this.#used + size);
    const sha256 = hash('sha256', content, 'buffer');
    this.#used += size;
    yield* this.#digest(entry, sha256);
  }

  *#large(fd: number, entry: TreeEntry): Generator<Buffer, void, void> {
    const sha256 = createHash('sha256');
    yield* this.#copy(fd, entry, { at: 0, length: entry.size }, (bytes) => sha256.update(bytes));
    if (fstatSync(fd).size !== entry.size) throw changed(entry);
    yield* this.#digest(entry, sha256.digest());
  }

  *#copy(
    fd: number,
    entry: TreeEntry,
    range: { at: number; length: number },
    onBytes: (bytes: Buffer) => void = () => undefined,
  ): Generator<Buffer, void, void> {
    for (let done = 0; done < range.length; ) {
      if (this.#used === pieceBytes) yield this.#take();
      const asked = Math.min(range.length - done, pieceBytes - this.#used);
      const got = readSync(fd, this.#piece, this.#used, asked, range.at + done);
      if (got === 0) throw changed(entry);
      onBytes(this.#piece.subarray(this.#used, this.#used + got));
      this.#used += got;
      done += got;
    }
  }

  *#digest(entry: TreeEntry, sha256: Buffer): Generator<Buffer, void, void> {
    if (pieceBytes - this.#used < digestBytes) yield this.#take();
    this.#used += sha256.copy(this.#piece, this.#used);
    this.#proof.update(sha256);
    this.#options.onDigest?.(entry, sha256.toString('hex'));
  }

  /** The piece so far; its memory belongs to the reader from now on. */
  #take(): Buffer {
    const taken = this.#piece.subarray(0, this.#used);
    this.#piece = this.#freshPiece();
    this.#used = 0;
    return taken;
  }

  #freshPiece(): Buffer {
    const memory = this.#options.memory?.();
    return memory?.byteLength === pieceBytes
      ? Buffer.from(memory)
      : Buffer.allocUnsafeSlow(pieceBytes);
  }
}

const changed = ({ path }: TreeEntry): GomoteError =>
  new GomoteError('ERR_LOST', `${JSON.stringify(path)} changed while it was read`, {
    hint: 'try again when nothing writes to it',
  });

function described(path: string, error: unknown): unknown {
  if (error instanceof GomoteError) return error;
  if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) {
    return new GomoteError('ERR_LOST', `${JSON.stringify(path)} has gone while it was to be read`, {
      hint: 'try again',
      cause: error,
    });
  }
  return localFileError(path, error);
}
