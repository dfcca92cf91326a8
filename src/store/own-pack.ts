// The pack that this process appends to.
import { closeSync, openSync, writeSync } from 'node:fs';
import { createFlags } from '../files/open-flags.ts';
import { encodeRecord, maxRecords, Pack, type Place } from './pack.ts';

/** The size of the write buffer, in bytes. */
const pendingBytes = 1 << 20;

/** Creates a private file that must not exist. */
export const createFile = (path: string): number => openSync(path, createFlags, 0o600);

export function writeNew(path: string, bytes: Buffer): void {
  const fd = createFile(path);
  try {
    writeAll(fd, bytes);
  } finally {
    closeSync(fd);
  }
}

export function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}

export class OwnPack {
  readonly pack: Pack;
  readonly #fd: number;
  readonly #listFd: number;
  #bytes = 0;
  #pending: Buffer[] = [];
  #records: Buffer[] = [];
  #pendingBytes = 0;

  constructor(stem: string) {
    this.pack = new Pack(stem);
    this.#listFd = createFile(`${stem}.list`);
    this.#fd = createFile(`${stem}.pack`);
  }

  get isPending(): boolean {
    return this.#records.length > 0;
  }

  /** Whether the content is only in memory so far. */
  isPendingAt({ at }: Place): boolean {
    return at >= this.#bytes - this.#pendingBytes;
  }

  isFull(more: number, limit: number): boolean {
    return this.pack.count === maxRecords || (this.#bytes > 0 && this.#bytes + more > limit);
  }

  put(digest: string, content: Buffer): void {
    const record = encodeRecord(digest, { at: this.#bytes, length: content.length });
    this.#records.push(record);
    this.#pending.push(Buffer.from(content));
    this.pack.add(record);
    this.#bytes += content.length;
    this.#pendingBytes += content.length;
    if (this.#pendingBytes >= pendingBytes) this.flush();
  }

  flush(): void {
    if (!this.isPending) return;
    writeAll(this.#fd, Buffer.concat(this.#pending));
    writeAll(this.#listFd, Buffer.concat(this.#records));
    this.#pending = [];
    this.#records = [];
    this.#pendingBytes = 0;
  }

  close(): void {
    closeSync(this.#fd);
    closeSync(this.#listFd);
  }
}
