// A new file that is written from its beginning. Where a large file is zeros, it gets a hole.
import { closeSync, fchmodSync, fstatSync, ftruncateSync, writeSync } from 'node:fs';
import { setFileTime } from './exact-time.ts';

/** Files of this size or more get holes, in blocks of this many bytes. */
const sparseFrom = 1 << 20;
const holeBytes = 16 << 10;
const zeros = Buffer.alloc(holeBytes);

export class SparseFile {
  readonly #fd: number;
  readonly #seeksHoles: boolean;
  #position = 0;
  #hasHoles = false;
  #isOpen = true;

  /** `fd` is closed by `finish` or `close`. */
  constructor(fd: number, sizeBytes: number) {
    this.#fd = fd;
    this.#seeksHoles = sizeBytes >= sparseFrom;
  }

  write(piece: Buffer): void {
    let from = 0;
    for (let at = 0; this.#seeksHoles && at < piece.length; ) {
      const room = holeBytes - ((this.#position + at - from) % holeBytes);
      const part = piece.subarray(at, at + room);
      if (part.equals(zeros.subarray(0, part.length))) {
        this.#put(piece.subarray(from, at));
        this.hole(part.length);
        from = at + part.length;
      }
      at += part.length;
    }
    this.#put(piece.subarray(from));
  }

  hole(bytes: number): void {
    this.#position += bytes;
    this.#hasHoles = true;
  }

  #put(bytes: Buffer): void {
    for (let done = 0; done < bytes.length; ) {
      const left = bytes.length - done;
      const written = writeSync(this.#fd, bytes, done, left, this.#position);
      done += written;
      this.#position += written;
    }
  }

  /** Gives it its mode and time, and closes it. */
  finish(mode: number, mtimeMs: number | undefined): void {
    if (this.#hasHoles) ftruncateSync(this.#fd, this.#position);
    // The umask, a default ACL, a set-group-ID directory or the mount may have made it another.
    if ((fstatSync(this.#fd).mode & 0o7777) !== mode) fchmodSync(this.#fd, mode);
    if (mtimeMs !== undefined) setFileTime(this.#fd, mtimeMs);
    this.close();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#fd);
  }
}
