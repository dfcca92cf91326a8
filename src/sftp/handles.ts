// The open files and directories of a client, by handle.
import { closeSync, type Dir } from 'node:fs';

interface OpenFile {
  readonly kind: 'file';
  readonly fd: number;
  /** Whether writes append. */
  readonly appends: boolean;
}

export interface OpenDirectory {
  readonly kind: 'directory';
  readonly path: Buffer;
  readonly dir: Dir;
}

type Opened = OpenFile | OpenDirectory;

/** The maximum number of handles: less than the usual limit of open files of a process. */
export const handleLimit = 900;

/** The error for a handle that does not exist. */
export class NoHandle extends Error {}

export class Handles {
  readonly #open = new Map<number, Opened>();
  #next = 0;

  get isFull(): boolean {
    return this.#open.size >= handleLimit;
  }

  add(opened: Opened): number {
    const handle = this.#next++;
    this.#open.set(handle, opened);
    return handle;
  }

  file(handle: Buffer): OpenFile {
    const opened = this.#get(handle);
    if (opened.kind === 'file') return opened;
    throw new NoHandle('it is a directory');
  }

  directory(handle: Buffer): OpenDirectory {
    const opened = this.#get(handle);
    if (opened.kind === 'directory') return opened;
    throw new NoHandle('it is a file');
  }

  close(handle: Buffer): void {
    const opened = this.#get(handle);
    this.#open.delete(handle.readUInt32BE());
    if (opened.kind === 'file') closeSync(opened.fd);
    else opened.dir.closeSync();
  }

  #get(handle: Buffer): Opened {
    const opened = handle.length === 4 ? this.#open.get(handle.readUInt32BE()) : undefined;
    if (opened === undefined) throw new NoHandle('there is no such handle');
    return opened;
  }
}
