// One file of a tree that is being written, under a temporary name.
import { createHash, type Hash, hash } from 'node:crypto';
import { closeSync, readSync } from 'node:fs';
import { GomoteError } from '../errors.ts';
import { openSync, rmSync } from '../files/named-fs.ts';
import { createFlags, readFlags } from '../files/open-flags.ts';
import { SparseFile } from '../files/sparse-file.ts';
import { quoted } from '../printable.ts';
import type { PatchPart } from '../protocol/tree-change.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';

const copyBytes = 1 << 20;

/** Throws ERR_LOST when the digest of a file's content is not the one announced. */
export const proveContent = (entry: TreeEntry, content: Buffer, sha256: string): void =>
  requireDigest(entry, hash('sha256', content, 'hex'), sha256);

/** Writes a new file with verified content. A failure leaves nothing. */
export function writeWholeFile(path: string, entry: TreeEntry, content: Buffer): void {
  const file = created(path, entry);
  try {
    file.write(content);
    file.finish(entry.mode, entry.mtimeMs);
  } catch (error) {
    file.close();
    rmSync(path, { force: true });
    throw error;
  }
}

interface TreeFileOptions {
  /** The parts of the file. Default: only received data. */
  readonly parts: readonly PatchPart[] | undefined;
  /** The path that the parts with an `at` are copied from. */
  readonly source: string | undefined;
  readonly isTrusted: boolean;
}

/** A file whose content arrives in chunks, some of them copied from its earlier version. */
export class TreeFile {
  readonly #entry: TreeEntry;
  readonly #file: SparseFile;
  /** Undefined when the content is not verified. */
  readonly #sha256: Hash | undefined;
  readonly #sourceFd: number | undefined;
  readonly #parts: Iterator<PatchPart>;
  #literalLeft = 0;

  constructor(path: string, entry: TreeEntry, { parts, source, isTrusted }: TreeFileOptions) {
    this.#entry = entry;
    this.#parts = (parts ?? [{ length: entry.size }])[Symbol.iterator]();
    this.#sha256 = isTrusted ? undefined : createHash('sha256');
    this.#sourceFd = source === undefined ? undefined : openSync(source, readFlags);
    try {
      this.#file = created(path, entry);
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
    this.#file.finish(this.#entry.mode, this.#entry.mtimeMs);
    this.close();
  }

  close(): void {
    this.#file.close();
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
    this.#file.write(bytes);
  }
}

const created = (path: string, { mode, size }: TreeEntry): SparseFile =>
  new SparseFile(openSync(path, createFlags, mode & 0o777), size);

function requireDigest({ path }: TreeEntry, found: string, announced: string): void {
  if (found === announced) return;
  throw new GomoteError('ERR_LOST', `${quoted(path)} did not arrive as it was sent`, {
    hint: 'try again',
  });
}
