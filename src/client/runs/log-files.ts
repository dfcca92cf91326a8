// Reads those parts of a session's log that the buildlet, on this machine, names instead of sending.
import { closeSync, readSync } from 'node:fs';
import { isGomoteError } from '../../errors.ts';
import { fileIdentity } from '../../files/file-identity.ts';
import { openNamedFile } from '../../files/named-file.ts';
import type { FileRange } from '../../protocol/session-replies.ts';

/** A file that was named cannot be read here, or is another one: what is in it has to be sent. */
export class NotShared extends Error {}

/** The size of a read, in bytes. */
const pieceBytes = 512 << 10;

export class LogFiles {
  readonly #directory: string;
  readonly #reuses: boolean;
  #buffer = Buffer.alloc(0);
  #open: { readonly path: string; readonly fd: number } | undefined;

  /**
   * @param directory Below which the buildlet may name files.
   * @param reuses Whether a piece may be overwritten when the next is asked for.
   */
  constructor(directory: string, reuses: boolean) {
    this.#directory = directory;
    this.#reuses = reuses;
  }

  /** What is there; throws {@link NotShared}, or ERR_REPLY when the buildlet may not name that file. */
  *pieces({ path, identity, at, bytes }: FileRange): Generator<Buffer, void, void> {
    const fd = this.#fdOf(path, identity);
    for (let done = 0; done < bytes; ) {
      if (!this.#reuses || this.#buffer.length === 0) {
        this.#buffer = Buffer.allocUnsafeSlow(pieceBytes);
      }
      const size = readSync(fd, this.#buffer, 0, Math.min(pieceBytes, bytes - done), at + done);
      if (size === 0) throw new NotShared(`${path} is shorter than was said`);
      done += size;
      yield this.#buffer.subarray(0, size);
    }
  }

  #fdOf(path: string, identity: string): number {
    if (this.#open?.path === path) return this.#open.fd;
    this.close();
    try {
      const fd = openNamedFile(path, this.#directory);
      this.#open = { path, fd };
      if (fileIdentity(fd) === identity) return fd;
    } catch (error) {
      if (isGomoteError(error)) throw error;
      throw new NotShared(`${path} cannot be opened here`, { cause: error });
    }
    this.close();
    throw new NotShared(`${path} is another file here`);
  }

  close(): void {
    if (this.#open !== undefined) closeSync(this.#open.fd);
    this.#open = undefined;
  }
}
