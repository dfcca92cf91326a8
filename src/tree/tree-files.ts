// Reads the files of a tree and checks them against their entries: for sending, or for copying by name.
import { createHash, hash } from 'node:crypto';
import { closeSync, fstatSync, readSync } from 'node:fs';
import { GomoteError, isErrno, isGomoteError, messageOf } from '../errors.ts';
import { fileIdentity } from '../files/file-identity.ts';
import { requireNamed } from '../files/named-file.ts';
import { openSync } from '../files/named-fs.ts';
import { readFlags } from '../files/open-flags.ts';
import { OpenTree, type TreeTop } from '../files/open-tree.ts';
import { quoted } from '../printable.ts';
import type { NamedTree, WriteChange } from '../protocol/tree-change.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { localFileError } from '../tar/archive-error.ts';
import type { TreeSink } from './tree-sink.ts';

/** Files up to this size are read in one call and digested at once. */
const smallBytes = 64 << 10;
/** How much of a larger one is copied at a time. */
const pieceBytes = 256 << 10;
export const isSmall = ({ size }: TreeEntry): boolean => size <= smallBytes;

export class TreeFiles {
  readonly #top: TreeTop;
  #tree: OpenTree | undefined;
  #memory: Buffer | undefined;
  readonly #isDigested: boolean;

  /** `isDigested`: whether to hash what is copied. A tree that is given by its path is held until `close`. */
  constructor(top: TreeTop, isDigested = true) {
    this.#top = top;
    this.#isDigested = isDigested;
  }

  /**
   * The files of a tree that another process has named. Throws ERR_UNSUPPORTED when the path is a different directory here, ERR_REPLY
   * when it is not below `directory`, if given.
   */
  static of({ top, identity }: NamedTree, isDigested: boolean, directory?: string): TreeFiles {
    let found: string;
    try {
      if (directory !== undefined) requireNamed(top, directory);
      found = fileIdentity(top);
    } catch (error) {
      if (isGomoteError(error)) throw error;
      found = messageOf(error);
    }
    if (found === identity) return new TreeFiles(top, isDigested);
    throw new GomoteError('ERR_UNSUPPORTED', `${top} is not ${identity} here, but ${found}`);
  }

  /** Opens a file without following links. Throws the system's errors, see {@link whyUnread}. */
  open(path: string): number {
    this.#tree ??= OpenTree.of(this.#top);
    return openSync(this.#tree.at(path), readFlags);
  }

  close(): void {
    if (this.#tree !== this.#top) this.#tree?.close();
    this.#tree = undefined;
  }

  /**
   * Passes the file's content to the sink, and yields how much in each step. Throws ERR_LOST when the file does not match its entry,
   * ERR_LOCAL_FILE when it cannot be read, and the errors of the sink.
   */
  *copy(change: WriteChange, sink: TreeSink): Generator<number, void, void> {
    const { entry } = change;
    this.#memory ??= Buffer.allocUnsafeSlow(pieceBytes);
    let isReading = true;
    const give = (call: () => void) => {
      isReading = false;
      call();
      isReading = true;
    };
    try {
      const fd = this.open(entry.path);
      try {
        if (isSmall(entry)) {
          const content = readWhole(fd, entry, this.#memory);
          const sha256 = this.#isDigested ? hash('sha256', content, 'hex') : '';
          give(() => sink.whole(change, content, sha256));
          return yield entry.size;
        }
        const sha256 = this.#isDigested ? createHash('sha256') : undefined;
        give(() => sink.open(change));
        for (let at = 0; at < entry.size; ) {
          const piece = readSome(fd, entry, this.#memory.subarray(0, entry.size - at), at);
          sha256?.update(piece);
          give(() => sink.content(piece));
          at += piece.length;
          yield piece.length;
        }
        requireSize(fd, entry);
        const digest = sha256?.digest('hex') ?? '';
        give(() => sink.close(digest));
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      const why = whyUnread(entry.path, error);
      if (!isReading || sink.giveUp === undefined) throw why;
      sink.giveUp(change, messageOf(why));
    }
  }
}

/** Reads a small file into `memory`, which has room for one more byte. Throws ERR_LOST when its size differs. */
export function readWhole(fd: number, entry: TreeEntry, memory: Buffer): Buffer {
  const { size } = entry;
  // Reading one byte more shows whether the file has grown.
  if (readSync(fd, memory, 0, size + 1, null) !== size) throw changed(entry);
  return memory.subarray(0, size);
}

/** Reads from `at`, as much as fits. Throws ERR_LOST when the file ends earlier. */
export function readSome(fd: number, entry: TreeEntry, memory: Buffer, at: number): Buffer {
  const got = readSync(fd, memory, 0, memory.length, at);
  if (got === 0) throw changed(entry);
  return memory.subarray(0, got);
}

/** Throws ERR_LOST when the file's size differs from its entry. */
export function requireSize(fd: number, entry: TreeEntry): void {
  if (fstatSync(fd).size !== entry.size) throw changed(entry);
}

const changed = ({ path }: TreeEntry): GomoteError =>
  new GomoteError('ERR_LOST', `${quoted(path)} changed while it was read`, {
    hint: 'try again when nothing writes to it',
  });

const gone = (path: string, cause?: unknown): GomoteError =>
  new GomoteError('ERR_LOST', `${quoted(path)} has gone while it was to be read`, {
    hint: 'try again',
    cause,
  });

/** What a failure to read a file means. */
export function whyUnread(path: string, error: unknown): unknown {
  const isReplaced = isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR');
  return isReplaced ? gone(path, error) : localFileError(path, error);
}
