// One pack of a store: a file with contents one after another, and beside it a list of their digests, which is written last.
import { closeSync, constants, fstatSync, openSync, readSync, utimesSync } from 'node:fs';

/** Of a record in the list: SHA-256, where the content begins, and its length, both as 48-bit numbers. */
export const recordBytes = 44;
const digestBytes = 32;
const numberBytes = 6;

/** The list is no longer: a digest of it is found by its number. */
export const maxRecords = 1 << 20;

const readFlags = constants.O_RDONLY | constants.O_NOFOLLOW;

/** Where a content is in its pack. */
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
  /** The paths of its two files without what they end with. */
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

  /** Takes note of records that were written. */
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

  /** Reads what was added to the list since. Throws what the system says. */
  readList(): void {
    this.#isMarked = false;
    const fd = openSync(`${this.stem}.list`, readFlags);
    try {
      const from = this.#count * recordBytes;
      const size = Math.min(fstatSync(fd).size, maxRecords * recordBytes);
      // What ended in the middle of a record was ended by force.
      const whole = Math.floor((size - from) / recordBytes) * recordBytes;
      if (whole <= 0) return;
      const records = Buffer.alloc(whole);
      const got = readSync(fd, records, 0, whole, from);
      this.add(records.subarray(0, Math.floor(got / recordBytes) * recordBytes));
    } finally {
      closeSync(fd);
    }
  }

  /** Fills the memory with a part of a content; returns how much there was. Throws what the system says. */
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

  /** Notes that it was of use: packs that are not go first. */
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
