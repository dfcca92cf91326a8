// Files with holes, as GNU tar and bsdtar write them: the archive holds a map and the parts that are no holes.
import { type PaxRecords, paxNumber, paxText } from './tar-entry.ts';

/** A part that is stored. */
interface SparsePart {
  readonly at: number;
  readonly length: number;
}

export interface Sparse {
  /** Of the file when it is made. */
  readonly sizeBytes: number;
  /** Undefined: they stand before the stored bytes. */
  readonly parts: readonly SparsePart[] | undefined;
}

/** What takes the content of a file with holes. */
interface SparseSink {
  content(piece: Buffer): void;
  hole(bytes: number): void;
}

/** Of a map: a file of many GiB has a few thousand parts. */
const maxParts = 1 << 18;
const blockSize = 512;
const newline = 0x0a;

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** Parts must be in order and inside the file. */
function checked(parts: readonly SparsePart[], sizeBytes: number): boolean {
  let end = 0;
  if (!isCount(sizeBytes) || parts.length > maxParts) return false;
  for (const { at, length } of parts) {
    if (!isCount(at) || !isCount(length) || at < end || !isCount(at + length)) return false;
    end = at + length;
  }
  return end <= sizeBytes;
}

/** The map in an old GNU header and in the blocks that continue with it. */
export class OldGnuMap {
  readonly #parts: SparsePart[] = [];
  readonly #sizeBytes: number;
  /** Whether another block belongs to it. */
  goesOn: boolean;

  constructor(header: Buffer) {
    this.#sizeBytes = number(header, 483);
    this.#take(header, 386, 4);
    this.goesOn = header[482] === 1;
  }

  push(block: Buffer): void {
    this.#take(block, 0, 21);
    this.goesOn = block[504] === 1 && this.#parts.length <= maxParts;
  }

  #take(block: Buffer, from: number, count: number): void {
    for (let at = from; at < from + count * 24; at += 24) {
      if (block[at] === 0) return;
      this.#parts.push({ at: number(block, at), length: number(block, at + 12) });
    }
  }

  /** Undefined when it makes no sense. */
  get sparse(): Sparse | undefined {
    const sparse = { sizeBytes: this.#sizeBytes, parts: this.#parts };
    return checked(sparse.parts, sparse.sizeBytes) ? sparse : undefined;
  }
}

/** A number of twelve bytes: octal digits, or base 256. */
function number(block: Buffer, at: number): number {
  const first = block[at] ?? 0;
  if ((first & 0x80) !== 0) {
    const high = block.subarray(at + 1, at + 6).every((byte) => byte === 0);
    return high && first === 0x80 ? block.readUIntBE(at + 6, 6) : Number.NaN;
  }
  const text = block
    .toString('latin1', at, at + 12)
    .replace(/[\0 ]+$/, '')
    .trim();
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : text === '' ? 0 : Number.NaN;
}

/** What PAX records say of a file with holes: undefined when it has none, 'bad' when it makes no sense. */
export function sparseOf(records: PaxRecords): Sparse | 'bad' | undefined {
  if (![...records.keys()].some((key) => key.startsWith('GNU.sparse.'))) return undefined;
  const size = paxNumber(records, 'GNU.sparse.realsize') ?? paxNumber(records, 'GNU.sparse.size');
  const sizeBytes = size ?? Number.NaN;
  if (records.has('GNU.sparse.major')) {
    const version = `${paxText(records, 'GNU.sparse.major')}.${paxText(records, 'GNU.sparse.minor')}`;
    return version === '1.0' && checked([], sizeBytes) ? { sizeBytes, parts: undefined } : 'bad';
  }
  const numbers = (paxText(records, 'GNU.sparse.map') ?? '').split(',').filter(Boolean);
  const parts = pairs(numbers.map(decimal));
  return parts !== undefined && checked(parts, sizeBytes) ? { sizeBytes, parts } : 'bad';
}

const decimal = (text: string): number => (/^[0-9]+$/.test(text) ? Number(text) : Number.NaN);

function pairs(numbers: readonly number[]): SparsePart[] | undefined {
  if (numbers.length % 2 !== 0) return undefined;
  const parts: SparsePart[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    parts.push({ at: numbers[i] ?? Number.NaN, length: numbers[i + 1] ?? Number.NaN });
  }
  return parts;
}

/** Tells a sink what the stored bytes of such a file mean. */
export class SparseContent {
  readonly #sink: SparseSink;
  readonly #sizeBytes: number;
  #parts: readonly SparsePart[] | undefined;
  #index = 0;
  #position = 0;
  /** The map, while it comes: numbers, a line each, the first of which says how many pairs follow. */
  readonly #numbers: number[] = [];
  #digits = '';
  #mapBytes = 0;

  constructor(sink: SparseSink, { sizeBytes, parts }: Sparse) {
    this.#sink = sink;
    this.#sizeBytes = sizeBytes;
    this.#parts = parts;
  }

  /** False when the bytes do not fit the map. */
  push(piece: Buffer): boolean {
    let at = 0;
    if (this.#parts === undefined) {
      const taken = this.#takeMap(piece);
      if (taken === undefined) return false;
      at = taken;
    }
    while (at < piece.length) {
      const part = this.#parts?.[this.#index];
      if (part === undefined) return false;
      this.#skipTo(part.at);
      const bytes = piece.subarray(at, at + part.at + part.length - this.#position);
      if (bytes.length > 0) this.#sink.content(bytes);
      this.#position += bytes.length;
      at += bytes.length;
      if (this.#position === part.at + part.length) this.#index++;
    }
    return true;
  }

  /** Ends it with the hole at its end. False when something is missing. */
  end(): boolean {
    const isWhole = this.#parts?.slice(this.#index).every(({ length }) => length === 0) ?? false;
    if (isWhole) this.#skipTo(this.#sizeBytes);
    return isWhole;
  }

  #skipTo(position: number): void {
    if (position <= this.#position) return;
    this.#sink.hole(position - this.#position);
    this.#position = position;
  }

  /** How much of the piece is map; undefined when it is none. */
  #takeMap(piece: Buffer): number | undefined {
    for (let at = 0; at < piece.length; at++) {
      if (this.#mapIsOver) return this.#endMap() ? at : undefined;
      this.#mapBytes++;
      // The rest of its last block means nothing.
      if (this.#hasAllNumbers) continue;
      const byte = piece[at] ?? 0;
      if (byte !== newline) {
        if (byte < 0x30 || byte > 0x39 || this.#digits.length > 15) return undefined;
        this.#digits += String.fromCharCode(byte);
        continue;
      }
      this.#numbers.push(decimal(this.#digits));
      this.#digits = '';
      if (!((this.#numbers[0] ?? Number.NaN) <= maxParts)) return undefined;
    }
    return this.#mapIsOver && !this.#endMap() ? undefined : piece.length;
  }

  get #hasAllNumbers(): boolean {
    const [pairCount] = this.#numbers;
    return pairCount !== undefined && this.#numbers.length === 1 + 2 * pairCount;
  }

  get #mapIsOver(): boolean {
    return this.#hasAllNumbers && this.#mapBytes % blockSize === 0;
  }

  #endMap(): boolean {
    const parts = pairs(this.#numbers.slice(1));
    if (parts === undefined || !checked(parts, this.#sizeBytes)) return false;
    this.#parts = parts;
    return true;
  }
}
