// Parses a tar stream block by block and calls a sink synchronously, without a stream for each entry.
//
// The blocks are decoded by the tar package. Its Parser is not used: it loses names with a newline, spoils a long
// name whose characters are split between two chunks, and keeps everything after the end in memory.
import type { Header } from 'tar';
import { nameFromBytes } from '../protocol/name-bytes.ts';
import { archiveErrors } from './archive-error.ts';
import { OldGnuMap, type Sparse, SparseContent, sparseOf } from './sparse.ts';
import {
  decodeHeader,
  entryOf,
  type PaxRecords,
  parsePaxRecords,
  paxNumber,
  paxText,
  type TarEntry,
  untilNul,
} from './tar-entry.ts';

export type { TarEntry } from './tar-entry.ts';

/** Called for each entry, for each chunk of its content, and at its end. A throw ends the parsing. */
export interface TarSink {
  begin(entry: TarEntry): void;
  content(piece: Buffer): void;
  /** Called with the length of a hole. Absent: sparse files are refused. */
  hole?(bytes: number): void;
  end(): void;
}

const blockSize = 512;
/** The size limits of one header that describes the next entry, as in Go's archive/tar, and of all such headers of one entry. */
const maxMetaBytes = 1 << 20;
/** The size limit of all headers for the whole archive. */
const maxGlobalBytes = 1 << 20;
/** Types whose content describes the next entry. */
const metaTypes = 'xgLK';
/** PAX keys that a header for the whole archive must not set. */
const notGlobal = /^(?:path|linkpath|size|GNU\.sparse\..*)$/;

interface Meta {
  typeFlag: string;
  /** Its body, in a buffer that the next one reuses. */
  body: Buffer;
  filled: number;
}

export class TarReader {
  readonly #sink: TarSink;
  readonly #block = Buffer.alloc(blockSize);
  #blockFilled = 0;
  #zeroBlocks = 0;
  #bodyLeft = 0;
  #paddingLeft = 0;
  #meta: Meta | undefined;
  #metaMemory = Buffer.alloc(blockSize);
  /** In headers since the last entry. */
  #metaBytes = 0;
  #globalBytes = 0;
  /** The header and the map of a sparse file, until the map is complete. */
  #sparseHeader: { block: Buffer; header: Header; map: OldGnuMap } | undefined;
  #sparse: SparseContent | undefined;
  /** Whether what is read has content of use. */
  #isSkipped = false;
  #hasSecond = false;
  #global: PaxRecords = new Map();
  #local: PaxRecords | undefined;
  #longName: string | undefined;
  #longTarget: string | undefined;
  #name: string | undefined;
  /** Whether the current body belongs to an entry, not to a long name. */
  #inEntry = false;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  get lastName(): string | undefined {
    return this.#name;
  }

  /** The name of the entry whose content is being read. */
  get openName(): string | undefined {
    return this.#inEntry && this.#bodyLeft + this.#paddingLeft > 0 ? this.#name : undefined;
  }

  get hasEnd(): boolean {
    return this.#zeroBlocks > 0;
  }

  /** Whether another archive follows, which is ignored. */
  get hasSecond(): boolean {
    return this.#hasSecond;
  }

  /** Parses the next bytes. Everything after the end of the archive, a single block of zeros, is ignored. */
  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length && !this.#hasSecond) {
      if (this.#bodyLeft > 0) offset += this.#takeBody(chunk, offset);
      else if (this.#paddingLeft > 0) {
        const taken = Math.min(this.#paddingLeft, chunk.length - offset);
        this.#paddingLeft -= taken;
        offset += taken;
      } else offset += this.#takeBlock(chunk, offset);
    }
  }

  /**
   * Call at the end of the stream. Throws unless the archive has ended: it must close with a block of zeros (two in the
   * standard, but one proves as much), since a cut between two entries would not be noticed otherwise. `isProved`: the stream itself
   * has proved that it is complete.
   */
  finish(isProved = false): void {
    if (this.hasEnd) return;
    const isBetween = this.#name !== undefined && this.#isAtHeader && this.#blockFilled === 0;
    if (!isProved || !isBetween) throw archiveErrors.cutShort(this.openName);
  }

  /** Whether an entry may begin here, or the archive end. */
  get #isAtHeader(): boolean {
    const isOpen = this.#local ?? this.#longName ?? this.#longTarget ?? this.#sparseHeader;
    return this.#bodyLeft + this.#paddingLeft === 0 && isOpen === undefined;
  }

  #takeBody(chunk: Buffer, offset: number): number {
    const piece = chunk.subarray(offset, offset + this.#bodyLeft);
    this.#bodyLeft -= piece.length;
    if (this.#meta !== undefined) {
      this.#meta.filled += piece.copy(this.#meta.body, this.#meta.filled);
    } else if (this.#sparse !== undefined) {
      if (!this.#sparse.push(piece)) throw this.#badMap();
    } else if (!this.#isSkipped) this.#sink.content(piece);
    if (this.#bodyLeft === 0) this.#endBody();
    return piece.length;
  }

  #endBody(): void {
    const meta = this.#meta;
    this.#meta = undefined;
    if (meta === undefined) this.#endEntry();
    else if (meta.typeFlag === 'L') this.#longName = nameFromBytes(untilNul(meta.body));
    else if (meta.typeFlag === 'K') this.#longTarget = nameFromBytes(untilNul(meta.body));
    else this.#takePax(meta);
  }

  #endEntry(): void {
    const sparse = this.#sparse;
    this.#sparse = undefined;
    if (sparse?.end() === false) throw this.#badMap();
    if (!this.#isSkipped) this.#sink.end();
  }

  #takePax(meta: Meta): void {
    const records = parsePaxRecords(meta.body);
    if (records === undefined) throw this.#invalid();
    if (meta.typeFlag === 'x') {
      this.#local = new Map([...(this.#local ?? []), ...records]);
      return;
    }
    if ([...records.keys()].some((key) => notGlobal.test(key))) throw this.#invalid();
    this.#globalBytes += meta.body.length;
    if (this.#globalBytes > maxGlobalBytes) throw archiveErrors.headerTooLong();
    this.#global = new Map([...this.#global, ...records]);
  }

  #takeBlock(chunk: Buffer, offset: number): number {
    if (this.#blockFilled === 0 && chunk.length - offset >= blockSize) {
      this.#readBlock(chunk, offset);
      return blockSize;
    }
    const taken = chunk.copy(this.#block, this.#blockFilled, offset);
    this.#blockFilled += taken;
    if (this.#blockFilled === blockSize) {
      this.#blockFilled = 0;
      this.#readBlock(this.#block, 0);
    }
    return taken;
  }

  #readBlock(block: Buffer, offset: number): void {
    if (this.#sparseHeader !== undefined) {
      this.#goOnWithMap(this.#sparseHeader, block.subarray(offset, offset + blockSize));
      return;
    }
    const header = decodeHeader(block, offset, this.#nameSoFar());
    if (this.#zeroBlocks > 0) {
      if (header?.nullBlock) this.#zeroBlocks++;
      // Zeros at the very beginning are not the end of an archive.
      else if (header?.cksumValid && this.#name === undefined) throw this.#invalid();
      else if (header?.cksumValid) this.#hasSecond = true;
      return;
    }
    if (header?.nullBlock && this.#isAtHeader) {
      this.#zeroBlocks++;
      return;
    }
    if (header === undefined || !header.cksumValid) throw this.#invalid();
    const typeFlag = block.toString('latin1', offset + 156, offset + 157);
    const bytes = block.subarray(offset, offset + blockSize);
    if (metaTypes.includes(typeFlag)) this.#beginMeta(typeFlag, header.size);
    // The name of the volume is not a file.
    else if (typeFlag === 'V') this.#beginSkipped(header.size ?? 0);
    else if (typeFlag === 'S') {
      this.#goOnWithMap({ block: Buffer.from(bytes), header, map: new OldGnuMap(bytes) });
    } else this.#begin(this.#entryOf(bytes, typeFlag, header), header.size);
  }

  #goOnWithMap(found: { block: Buffer; header: Header; map: OldGnuMap }, block?: Buffer): void {
    const { map, header } = found;
    if (block !== undefined) map.push(block);
    this.#sparseHeader = map.goesOn ? found : undefined;
    if (map.goesOn) return;
    const entry = this.#entryOf(found.block, '0', header);
    this.#name = entry.name;
    const { sparse } = map;
    if (sparse === undefined) throw this.#badMap();
    this.#begin({ ...entry, sizeBytes: sparse.sizeBytes }, header.size, sparse);
  }

  /** The next entry's name from an earlier block. */
  #nameSoFar(): string | undefined {
    return this.#longName ?? (this.#local && paxText(this.#local, 'path'));
  }

  /** Begins an entry; its content takes this many bytes of the archive. */
  #begin(entry: TarEntry, storedBytes: number | undefined, map?: Sparse): void {
    const found = this.#local === undefined ? undefined : sparseOf(this.#local);
    const size = this.#local === undefined ? undefined : paxNumber(this.#local, 'size');
    this.#local = this.#longName = this.#longTarget = undefined;
    this.#metaBytes = 0;
    const isFile = entry.typeFlag === '0';
    const hasBody = isFile || entry.typeFlag === 'D';
    const stored = hasBody ? (size ?? storedBytes ?? Number.NaN) : 0;
    // Without a valid size, content cannot be told from headers.
    if (!Number.isSafeInteger(stored) || stored < 0) throw this.#invalid();
    this.#name = entry.name;
    this.#inEntry = true;
    if (found === 'bad') throw this.#badMap();
    const sparse = map ?? found;
    const sizeBytes = sparse?.sizeBytes ?? (isFile ? stored : 0);
    // The directory listing of an incremental archive is ignored: nothing is removed.
    this.#isSkipped = false;
    this.#sink.begin({ ...entry, typeFlag: isFile || !hasBody ? entry.typeFlag : '5', sizeBytes });
    this.#sparse = sparse && isFile ? this.#contentOf(entry, sparse) : undefined;
    if (!isFile) {
      this.#sink.end();
      this.#isSkipped = true;
    }
    this.#beginBody(stored);
    if (stored === 0) this.#endEntry();
  }

  #contentOf(entry: TarEntry, sparse: Sparse): SparseContent {
    const sink = this.#sink;
    if (sink.hole === undefined) throw archiveErrors.unsupportedType(entry.name, '"sparse"');
    const hole = sink.hole.bind(sink);
    return new SparseContent({ content: (piece) => sink.content(piece), hole }, sparse);
  }

  #beginSkipped(size: number): void {
    this.#local = this.#longName = this.#longTarget = undefined;
    this.#inEntry = false;
    this.#isSkipped = true;
    this.#beginBody(size);
  }

  #beginMeta(typeFlag: string, size: number | undefined): void {
    if (size === undefined) throw this.#invalid();
    this.#metaBytes += size;
    if (this.#metaBytes > maxMetaBytes) throw archiveErrors.headerTooLong();
    this.#inEntry = false;
    if (this.#metaMemory.length < size) this.#metaMemory = Buffer.alloc(size);
    this.#meta = { typeFlag, body: this.#metaMemory.subarray(0, size), filled: 0 };
    this.#beginBody(size);
    if (size === 0) this.#endBody();
  }

  #beginBody(size: number): void {
    this.#bodyLeft = size;
    this.#paddingLeft = (blockSize - (size % blockSize)) % blockSize;
  }

  #entryOf(block: Buffer, letter: string, header: Header): TarEntry {
    const local = this.#local;
    const records = local === undefined ? this.#global : new Map([...this.#global, ...local]);
    const said = { name: this.#nameSoFar(), target: this.#longTarget };
    return entryOf({ block, letter, header }, records, said);
  }

  #badMap(): Error {
    return archiveErrors.entry(this.#name ?? '', 'the map of its holes makes no sense');
  }

  #invalid(): Error {
    return archiveErrors.invalidHeader(this.#name);
  }
}
