// One file of a tree that is being written, under a temporary name.

import { createHash, type Hash, hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  readSync,
  writeSync,
} from 'node:fs';
import { GomoteError } from '../errors.ts';
import { exactTime } from '../files/exact-time.ts';
import { openSync, rmSync } from '../files/named-fs.ts';
import { quoted } from '../printable.ts';
import type { PatchPart } from '../protocol/tree-change.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';

const createFlags =
  constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
const copyBytes = 1 << 20;

/** Throws ERR_LOST when the digest of a file's content is not the one announced. */
export const proveContent = (entry: TreeEntry, content: Buffer, sha256: string): void =>
  requireDigest(entry, hash('sha256', content, 'hex'), sha256);

/** Writes a new file with verified content. A failure leaves nothing. */
export function writeWholeFile(path: string, entry: TreeEntry, content: Buffer): void {
  const fd = openSync(path, createFlags, entry.mode & 0o777);
  try {
    writeAll(fd, content);
    setAttributes(fd, entry);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
}

interface TreeFileOptions {
  /** The parts of the file. Default: only received data. */
  readonly parts: readonly PatchPart[] | undefined;
  /** The path that the parts with an `at` are copied from. */
  readonly source: string | undefined;
  /** Whether the content is not verified. */
  readonly isTrusted: boolean;
}

/** A file whose content arrives in chunks, some of them copied from its earlier version. */
export class TreeFile {
  readonly #entry: TreeEntry;
  readonly #fd: number;
  /** Undefined when the content is not verified. */
  readonly #sha256: Hash | undefined;
  readonly #sourceFd: number | undefined;
  readonly #parts: Iterator<PatchPart>;
  /** So far, in bytes. */
  #size = 0;
  #endsInHole = false;
  /** The bytes until the next copied part. */
  #literalLeft = 0;

  constructor(path: string, entry: TreeEntry, { parts, source, isTrusted }: TreeFileOptions) {
    this.#entry = entry;
    this.#parts = (parts ?? [{ length: entry.size }])[Symbol.iterator]();
    this.#sha256 = isTrusted ? undefined : createHash('sha256');
    this.#sourceFd =
      source === undefined
        ? undefined
        : openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      this.#fd = openSync(path, createFlags, entry.mode & 0o777);
    } catch (error) {
      if (this.#sourceFd !== undefined) closeSync(this.#sourceFd);
      throw error;
    }
  }

  /** Copies the parts before the first received chunk. */
  start(): void {
    while (this.#literalLeft === 0) {
      const next = this.#parts.next();
      if (next.done) return;
      const { at, length } = next.value;
      if (at === undefined) this.#literalLeft = length;
      else this.#copy(at, length);
    }
  }

  write(piece: Buffer): void {
    for (let at = 0; at < piece.length; ) {
      const bytes = piece.subarray(at, at + this.#literalLeft);
      this.#put(bytes);
      at += bytes.length;
      this.#literalLeft -= bytes.length;
      this.start();
    }
  }

  /** Sets the file's mode and time and closes it. Throws ERR_LOST when the content does not match its digest. */
  finish(sha256: string): void {
    if (this.#sha256 !== undefined) requireDigest(this.#entry, this.#sha256.digest('hex'), sha256);
    if (this.#endsInHole) ftruncateSync(this.#fd, this.#size);
    setAttributes(this.#fd, this.#entry);
    this.close();
  }

  close(): void {
    closeSync(this.#fd);
    if (this.#sourceFd !== undefined) closeSync(this.#sourceFd);
  }

  #copy(at: number, length: number): void {
    if (this.#sourceFd === undefined) return;
    const buffer = Buffer.allocUnsafe(Math.min(length, copyBytes));
    for (let done = 0; done < length; ) {
      const asked = Math.min(length - done, copyBytes);
      const got = readSync(this.#sourceFd, buffer, 0, asked, at + done);
      // A truncated source results in a wrong digest at the end.
      if (got === 0) return;
      this.#put(buffer.subarray(0, got));
      done += got;
    }
  }

  #put(bytes: Buffer): void {
    this.#sha256?.update(bytes);
    this.#endsInHole = isHole(bytes);
    if (!this.#endsInHole) writeAll(this.#fd, bytes, this.#size);
    this.#size += bytes.length;
  }
}

function requireDigest({ path }: TreeEntry, found: string, announced: string): void {
  if (found === announced) return;
  throw new GomoteError('ERR_LOST', `${quoted(path)} did not arrive as it was sent`, {
    hint: 'try again',
  });
}

/** Writes at a position in the file. */
function writeAll(fd: number, bytes: Buffer, place = 0): void {
  for (let at = 0; at < bytes.length; ) {
    at += writeSync(fd, bytes, at, bytes.length - at, place + at);
  }
}

/** Runs of at least this many zeros become holes: a sparse file stays sparse. */
const holeBytes = 32 << 10;
const zeros = Buffer.alloc(256 << 10);

const isHole = (bytes: Buffer): boolean =>
  bytes.length >= holeBytes &&
  bytes.length <= zeros.length &&
  bytes[0] === 0 &&
  zeros.subarray(0, bytes.length).equals(bytes);

function setAttributes(fd: number, { mode, mtimeMs }: TreeEntry): void {
  // The umask, a default ACL, a set-group-ID directory or the mount may have changed it.
  if ((fstatSync(fd).mode & 0o7777) !== mode) fchmodSync(fd, mode);
  futimesSync(fd, exactTime(mtimeMs), exactTime(mtimeMs));
}
