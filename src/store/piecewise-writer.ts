// Stores a content that arrives in pieces: in memory while it is small, then in its own pack.
import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import type { ContentWriter } from './contents.ts';
import { removePack } from './eviction.ts';
import { writeAll } from './own-pack.ts';
import { encodeRecord } from './pack.ts';

/** Contents up to this size share packs. */
export const smallBytes = 4 << 20;

interface Packing {
  put(digest: string, content: Buffer): void;
  isWhole(digest: string, size: number): boolean;
  takes(size: number): boolean;
  /** A file for a large content. */
  open(): { stem: string; fd: number };
  added(stem: string, record: Buffer): void;
}

export class PiecewiseWriter implements ContentWriter {
  readonly #packing: Packing;
  readonly #sha256 = createHash('sha256');
  #pieces: Buffer[] = [];
  #size = 0;
  #file: { stem: string; fd: number } | undefined;
  #isOver = false;

  constructor(packing: Packing) {
    this.#packing = packing;
  }

  write(piece: Buffer): void {
    if (this.#isOver) return;
    this.#size += piece.length;
    this.#sha256.update(piece);
    this.#quietly(() => {
      if (!this.#packing.takes(this.#size)) throw new Error('too large for the store');
      if (this.#file === undefined) this.#pieces.push(Buffer.from(piece));
      else writeAll(this.#file.fd, piece);
      if (this.#file !== undefined || this.#size <= smallBytes) return;
      this.#file = this.#packing.open();
      writeAll(this.#file.fd, Buffer.concat(this.#pieces));
      this.#pieces = [];
    });
  }

  end(digest: string): void {
    if (this.#isOver) return;
    if (this.#sha256.digest('hex') !== digest || this.#packing.isWhole(digest, this.#size))
      this.drop();
    else this.#quietly(() => this.#keep(digest));
  }

  #keep(digest: string): void {
    const file = this.#file;
    if (file === undefined) this.#packing.put(digest, Buffer.concat(this.#pieces));
    else this.#packing.added(file.stem, encodeRecord(digest, { at: 0, length: this.#size }));
    if (file !== undefined) closeSync(file.fd);
    this.#isOver = true;
  }

  drop(): void {
    this.#isOver = true;
    this.#pieces = [];
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    closeSync(file.fd);
    removePack(file.stem);
  }

  #quietly(work: () => void): void {
    try {
      work();
    } catch {
      this.drop();
    }
  }
}
