// A pack of a store: a file of concatenated contents, and a list of their digests, which is written last.
import { closeSync, fstatSync, openSync, readSync, utimesSync } from 'node:fs';
import { readFlags } from '../files/open-flags.ts';

/** The size of a record in the list: SHA-256, and the offset and length of the content as 48-bit numbers. */
export const recordBytes = 44;
const digestBytes = 32;
const numberBytes = 6;

/** The maximum number of records, which are addressed by number. */
export const maxRecords = 1 << 20;

/** The position of a content in its pack. */
export interface Place {
  readonly at: number;
  readonly length: number;
}

export function encodeRecord(digest: string, { at, length }: Place): Buffer {
  const record = Buffer.alloc(recordBytes);
  record.write(digest, 0, 'hex');
  record.writeUIntBE(at, digestBytes, numberBytes);
  record.writeUIntBE(length, digestBytes + numberBytes, numberBytes);
  return record;
}

export class Pack {
  /** The path of both files without extension. */
  readonly stem: string;
  #records = Buffer.alloc(0);
  #count = 0;
  #fd: number | undefined;
  #isMarked = false;

  constructor(stem: string) {
    this.stem = stem;
  }

  get count(): number {
    return this.#count;
  }

  digestOf(index: number): string {
    const at = index * recordBytes;
    return this.#records.toString('hex', at, at + digestBytes);
  }

  placeOf(index: number): Place {
    const at = index * recordBytes + digestBytes;
    return {
      at: this.#records.readUIntBE(at, numberBytes),
      length: this.#records.readUIntBE(at + numberBytes, numberBytes),
    };
  }

  /** Adds records that were written. */
  add(records: Buffer): void {
    const used = this.#count * recordBytes;
    if (used + records.length > this.#records.length) {
      const more = Buffer.alloc(Math.max(2 * this.#records.length, used + records.length));
      this.#records.copy(more, 0, 0, used);
      this.#records = more;
    }
    records.copy(this.#records, used);
    this.#count += records.length / recordBytes;
  }

  /** Reads new records of the list. Throws system errors. */
  readList(): void {
    this.#isMarked = false;
    const fd = openSync(`${this.stem}.list`, readFlags);
    try {
      const from = this.#count * recordBytes;
      const size = Math.min(fstatSync(fd).size, maxRecords * recordBytes);
      // An incomplete record was left by a killed process.
      const whole = Math.floor((size - from) / recordBytes) * recordBytes;
      if (whole <= 0) return;
      const records = Buffer.alloc(whole);
      const got = readSync(fd, records, 0, whole, from);
      this.add(records.subarray(0, Math.floor(got / recordBytes) * recordBytes));
    } finally {
      closeSync(fd);
    }
  }

  /** Reads a part of a content into the buffer; returns its length. Throws system errors. */
  read(memory: Buffer, at: number): number {
    this.#fd ??= openSync(`${this.stem}.pack`, readFlags);
    this.#mark();
    let got = 0;
    while (got < memory.length) {
      const now = readSync(this.#fd, memory, got, memory.length - got, at + got);
      if (now === 0) break;
      got += now;
    }
    return got;
  }

  /** Marks the pack as recently used. */
  #mark(): void {
    if (this.#isMarked) return;
    this.#isMarked = true;
    const now = new Date();
    utimesSync(`${this.stem}.list`, now, now);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
