// Writes a tree stream: parts of a head and the contents of the files that it names, read with synchronous calls.
import { createHash, hash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { messageOf } from '../errors.ts';
import { fileIdentity } from '../files/file-identity.ts';
import type { TreeTop } from '../files/open-tree.ts';
import { bytesOfName } from '../protocol/name-bytes.ts';
import {
  contentMarks,
  encodeChanges,
  encodeFailure,
  encodeKnownHead,
  encodeNamed,
  givenUpDigest,
  isFileWrite,
  isPatch,
  type NamedTree,
  type TreeChange,
  treeStream,
  type WriteChange,
} from '../protocol/tree-change.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { treeLimits } from '../protocol/tree-limits.ts';
import { isSmall, readSome, readWhole, requireSize, TreeFiles, whyUnread } from './tree-files.ts';

/** How much is read before it is handed on. */
const pieceBytes = 256 << 10;

const { digestBytes, lengthBytes } = treeStream;

interface TreeSenderOptions {
  /** Whether the reader can open the files itself: then the stream names them and has no contents. Default: no. */
  readonly isNamed?: boolean;
  /** Called with the SHA-256 of each file's content as it was sent. */
  readonly onDigest?: (entry: TreeEntry, sha256: string) => void;
  /** Called for a file that cannot be read, or is no longer what its entry says, before that is thrown. */
  readonly onUnread?: (path: string, error: unknown) => void;
  /** Whether a file that cannot be read, or is no longer what its entry says, is sent as given up. Default: it fails. */
  readonly givesUpFiles?: boolean;
  /** Whether its reader's store has the heads of parts, so that they are named alone. Default: no. */
  readonly areHeadsKnown?: boolean;
  /** Returns memory for a chunk, if some is free. */
  readonly memory?: () => ArrayBuffer | undefined;
  /** Called with the SHA-256 over the digests of all heads and contents, when all has been sent. */
  readonly onProof?: (sha256: string) => void;
}

/** The pieces of the stream of `changes` to the tree at `top`, in one part; throws as {@link TreeSender.part} does. */
export function* sendTree(
  top: TreeTop,
  changes: readonly TreeChange[],
  options: TreeSenderOptions = {},
): Generator<Buffer, void, void> {
  const sender = new TreeSender(top, options);
  yield* sender.part(changes);
  yield* sender.end();
}

const namedOf = (top: TreeTop): NamedTree =>
  typeof top === 'string'
    ? { top, identity: fileIdentity(top) }
    : { top: top.top.path, identity: top.top.identity };

/** The writing of one stream: any number of parts, then the end. */
export class TreeSender {
  readonly #top: TreeTop;
  readonly #files: TreeFiles;
  readonly #options: TreeSenderOptions;
  readonly #proof = createHash('sha256');
  #piece: Buffer;
  #used = 0;
  /** Of the file that is being sent, in bytes. */
  #sent = 0;
  #isBegun = false;

  /** A tree that is given by its path is closed when the stream ends. */
  constructor(top: TreeTop, options: TreeSenderOptions = {}) {
    this.#top = top;
    this.#files = new TreeFiles(top);
    this.#options = options;
    this.#piece = this.#freshPiece();
  }

  /**
   * The pieces of a part. Throws ERR_LOST when a file is no longer what its entry says, ERR_LOCAL_FILE when it cannot be
   * read; the stream is then without its end.
   */
  *part(changes: readonly TreeChange[]): Generator<Buffer, void, void> {
    if (changes.length === 0) return;
    const head = encodeChanges(changes);
    // The source of a patch must have its content from before the part.
    const mayBeSplit = changes.length > 1 && !changes.some(isPatch);
    if (mayBeSplit && head.length > treeLimits.headBytes / 4) {
      const middle = changes.length >> 1;
      yield* this.part(changes.slice(0, middle));
      return yield* this.part(changes.slice(middle));
    }
    if (this.#options.isNamed) return yield* this.#named(head);
    yield* this.#options.areHeadsKnown ? this.#knownHead(head) : this.#head(head);
    for (const change of changes) {
      if (!isFileWrite(change)) continue;
      if (change.content !== undefined) {
        yield* this.#bytes(Buffer.of(contentMarks[change.content]));
        if (change.content === 'stored') {
          this.#proof.update(Buffer.from(change.entry.digest, 'hex'));
          continue;
        }
      }
      try {
        yield* this.#file(change);
      } catch (error) {
        const why = whyUnread(change.entry.path, error);
        this.#options.onUnread?.(change.entry.path, why);
        if (this.#options.givesUpFiles !== true) throw why;
        yield* this.#giveUp(change.entry);
      }
    }
  }

  *#named(head: string): Generator<Buffer, void, void> {
    if (!this.#isBegun) yield* this.#head(encodeNamed(namedOf(this.#top)));
    this.#isBegun = true;
    yield* this.#head(head);
    // Its reader has more to do for it than we have.
    yield this.#take();
  }

  /** Ends the stream between two parts, so that its reader fails and says why. */
  *failure(error: unknown): Generator<Buffer, void, void> {
    this.#files.close();
    yield* this.#head(encodeFailure(messageOf(error)));
    yield this.#take();
  }

  *#knownHead(text: string): Generator<Buffer, void, void> {
    const head = bytesOfName(text);
    const digest = hash('sha256', head, 'buffer');
    this.#proof.update(digest);
    const known = { digest: digest.toString('hex'), size: head.length };
    yield* this.#field(Buffer.from(encodeKnownHead(known)));
  }

  *#head(text: string): Generator<Buffer, void, void> {
    const head = bytesOfName(text);
    this.#proof.update(hash('sha256', head, 'buffer'));
    yield* this.#field(head);
  }

  *#field(head: Buffer): Generator<Buffer, void, void> {
    const digest = hash('sha256', head, 'buffer');
    const length = Buffer.alloc(lengthBytes);
    length.writeUInt32BE(head.length);
    for (const field of [length, head, digest]) yield* this.#bytes(field);
  }

  *end(): Generator<Buffer, void, void> {
    this.#files.close();
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

  *#file(change: WriteChange): Generator<Buffer, void, void> {
    const { entry, patch } = change;
    this.#sent = 0;
    const fd = this.#files.open(entry.path);
    try {
      if (patch === undefined && isSmall(entry)) yield* this.#small(fd, entry);
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

  /** Sends nothing for what has not been sent of the file, and says that it is not the file. */
  *#giveUp({ size }: TreeEntry): Generator<Buffer, void, void> {
    while (this.#sent < size) {
      if (this.#used === pieceBytes) yield this.#take();
      const room = this.#piece.subarray(this.#used, this.#used + size - this.#sent).fill(0);
      this.#used += room.length;
      this.#sent += room.length;
    }
    yield* this.#bytes(givenUpDigest);
    this.#proof.update(givenUpDigest);
  }

  *#small(fd: number, entry: TreeEntry): Generator<Buffer, void, void> {
    const { size } = entry;
    if (pieceBytes - this.#used < size + 1 + digestBytes) yield this.#take();
    const content = readWhole(fd, entry, this.#piece.subarray(this.#used));
    const sha256 = hash('sha256', content, 'buffer');
    this.#used += size;
    yield* this.#digest(entry, sha256);
  }

  *#large(fd: number, entry: TreeEntry): Generator<Buffer, void, void> {
    const sha256 = createHash('sha256');
    yield* this.#copy(fd, entry, { at: 0, length: entry.size }, (bytes) => sha256.update(bytes));
    requireSize(fd, entry);
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
      const room = this.#piece.subarray(this.#used, this.#used + range.length - done);
      const bytes = readSome(fd, entry, room, range.at + done);
      onBytes(bytes);
      this.#used += bytes.length;
      this.#sent += bytes.length;
      done += bytes.length;
    }
  }

  *#digest(entry: TreeEntry, sha256: Buffer): Generator<Buffer, void, void> {
    if (pieceBytes - this.#used < digestBytes) yield this.#take();
    this.#used += sha256.copy(this.#piece, this.#used);
    this.#proof.update(sha256);
    this.#options.onDigest?.(entry, sha256.toString('hex'));
  }

  /** The current chunk, whose buffer now belongs to the reader. */
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
