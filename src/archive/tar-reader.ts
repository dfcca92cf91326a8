// Reads a tar stream block by block and tells a sink what it finds, at once and without a stream an entry.
//
// The blocks are decoded by the tar package. Its Parser is not used: it loses names with a newline, spoils a long
// name whose characters are split between two chunks, and keeps everything after the end in memory.
import { Header } from 'tar';
import { nameFromBytes } from '../protocol/name-bytes.ts';
import { archiveErrors } from './archive-error.ts';
import { type PaxRecords, parsePaxRecords, paxNumber, paxText } from './pax-records.ts';

export interface TarEntry {
  /** As in the archive. */
  name: string;
  /** The type letter of the tar format: `0` a file (also for its other spellings), `5` a directory and so on. */
  typeFlag: string;
  /** Permissions with setuid, setgid and sticky; undefined when the archive has none. */
  mode: number | undefined;
  mtime: Date | undefined;
  /** 0 for everything but a file. */
  sizeBytes: number;
  /** The target of a link, else empty. */
  linkTarget: string;
}

/** Told of each entry, of its content piece by piece, and of its end. A throw ends the reading. */
export interface TarSink {
  begin(entry: TarEntry): void;
  content(piece: Buffer): void;
  end(): void;
}

const blockSize = 512;
/** As in Go's archive/tar. */
const maxMetaBytes = 1 << 20;
/** Types whose block says how the next entry is named. */
const metaTypes = 'xgLK';
/** PAX keys that a header for the whole archive must not set. */
const notGlobal = ['path', 'linkpath', 'size'];

interface Meta {
  typeFlag: string;
  body: Buffer;
  filled: number;
}

export class TarReader {
  readonly #sink: TarSink;
  readonly #block = Buffer.alloc(blockSize);
  #blockFilled = 0;
  #zeroBlocks = 0;
  /** Of the current body. */
  #bodyLeft = 0;
  #paddingLeft = 0;
  #meta: Meta | undefined;
  #global: PaxRecords = new Map();
  #local: PaxRecords | undefined;
  #longName: string | undefined;
  #longTarget: string | undefined;
  #name: string | undefined;
  /** Whether the body being read is an entry's, not a long name's. */
  #inEntry = false;

  constructor(sink: TarSink) {
    this.#sink = sink;
  }

  /** The name of the last entry begun. */
  get lastName(): string | undefined {
    return this.#name;
  }

  /** The name of the entry whose content is being read. */
  get openName(): string | undefined {
    return this.#inEntry && this.#bodyLeft + this.#paddingLeft > 0 ? this.#name : undefined;
  }

  /** Reads on. What follows the end of the archive is ignored. */
  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length && this.#zeroBlocks < 2) {
      if (this.#bodyLeft > 0) offset += this.#takeBody(chunk, offset);
      else if (this.#paddingLeft > 0) {
        const taken = Math.min(this.#paddingLeft, chunk.length - offset);
        this.#paddingLeft -= taken;
        offset += taken;
      } else offset += this.#takeBlock(chunk, offset);
    }
  }

  /**
   * Says that the stream has ended. Throws unless the archive has: it must close with a block of zeros (two by the
   * book; one is as good a proof), since between two entries a cut shows in nothing else.
   */
  finish(): void {
    if (this.#zeroBlocks === 0 || this.#blockFilled > 0)
      throw archiveErrors.cutShort(this.openName);
  }

  #takeBody(chunk: Buffer, offset: number): number {
    const piece = chunk.subarray(offset, offset + this.#bodyLeft);
    this.#bodyLeft -= piece.length;
    if (this.#meta === undefined) this.#sink.content(piece);
    else this.#meta.filled += piece.copy(this.#meta.body, this.#meta.filled);
    if (this.#bodyLeft === 0) this.#endBody();
    return piece.length;
  }

  #endBody(): void {
    const meta = this.#meta;
    this.#meta = undefined;
    if (meta === undefined) this.#sink.end();
    else if (meta.typeFlag === 'L') this.#longName = nameFromBytes(untilNul(meta.body));
    else if (meta.typeFlag === 'K') this.#longTarget = nameFromBytes(untilNul(meta.body));
    else this.#takePax(meta);
  }

  #takePax(meta: Meta): void {
    const records = parsePaxRecords(meta.body);
    if (records === undefined) throw this.#invalid();
    if (meta.typeFlag === 'x') this.#local = new Map([...(this.#local ?? []), ...records]);
    else if (notGlobal.some((key) => records.has(key))) throw this.#invalid();
    else this.#global = new Map([...this.#global, ...records]);
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
    const header = decode(block, offset, this.#nameSoFar());
    const open = this.#local ?? this.#longName ?? this.#longTarget;
    if (header?.nullBlock && open === undefined) {
      this.#zeroBlocks++;
      return;
    }
    if (header === undefined || !header.cksumValid || this.#zeroBlocks > 0) throw this.#invalid();
    const typeFlag = block.toString('latin1', offset + 156, offset + 157);
    if (metaTypes.includes(typeFlag)) this.#beginMeta(typeFlag, header.size);
    else this.#begin(this.#entryOf(block.subarray(offset, offset + blockSize), typeFlag, header));
  }

  /** The next entry's name, when a block before its own has said it. */
  #nameSoFar(): string | undefined {
    return this.#longName ?? (this.#local && paxText(this.#local, 'path'));
  }

  #begin(entry: TarEntry): void {
    this.#local = this.#longName = this.#longTarget = undefined;
    this.#name = entry.name;
    this.#inEntry = true;
    this.#beginBody(entry.sizeBytes);
    this.#sink.begin(entry);
    if (entry.sizeBytes === 0) this.#sink.end();
  }

  #beginMeta(typeFlag: string, size: number | undefined): void {
    if (size === undefined) throw this.#invalid();
    if (size > maxMetaBytes) throw archiveErrors.headerTooLong();
    this.#inEntry = false;
    this.#meta = { typeFlag, body: Buffer.alloc(size), filled: 0 };
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
    const name = this.#nameSoFar() ?? headerName(block, header);
    const typeFlag = fileTypes.includes(letter) ? (name.endsWith('/') ? '5' : '0') : letter;
    for (const key of records.keys()) {
      // Stops the map of a sparse file from being taken for the file's content.
      if (key.startsWith('GNU.sparse.')) throw archiveErrors.unsupportedType(name, '"sparse"');
    }
    const size = records.has('size') ? paxNumber(records, 'size') : header.size;
    // A size that cannot be read leaves no way to tell content from headers.
    if (typeFlag === '0' && !(Number.isSafeInteger(size) && Number(size) >= 0)) {
      throw this.#invalid();
    }
    const mtime = paxNumber(records, 'mtime');
    return {
      name,
      typeFlag,
      mode: header.mode === undefined ? undefined : header.mode & 0o7777,
      mtime: validTime(mtime === undefined ? header.mtime : new Date(mtime * 1000)),
      sizeBytes: typeFlag === '0' ? Number(size) : 0,
      linkTarget: this.#longTarget ?? paxText(records, 'linkpath') ?? headerTarget(block, header),
    };
  }

  #invalid(): Error {
    return archiveErrors.invalidHeader(this.#name);
  }
}

/** A plain file: by POSIX, by the format before it, and one asked to lie contiguously. */
const fileTypes = '0\x007';

function decode(block: Buffer, offset: number, name: string | undefined): Header | undefined {
  try {
    // The name is told because a cut one that happens to end in a slash would make a directory of a file.
    return new Header(block, offset, name === undefined ? undefined : { path: name });
  } catch {
    // A number in base 256 that is none, or too big.
    return undefined;
  }
}

const validTime = (time: Date | undefined): Date | undefined =>
  time === undefined || Number.isNaN(time.getTime()) ? undefined : time;

function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function headerName(block: Buffer, header: Header): string {
  const decoded = header.path ?? '';
  if (!decoded.includes('\uFFFD')) return decoded;
  const name = fieldOf(block, 0, 100);
  const prefix =
    block.toString('latin1', 257, 265) === 'ustar\x0000' ? fieldOf(block, 345, 500) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function headerTarget(block: Buffer, header: Header): string {
  const decoded = header.linkpath ?? '';
  return decoded.includes('\uFFFD') ? fieldOf(block, 157, 257) : decoded;
}

const fieldOf = (block: Buffer, from: number, to: number): string =>
  nameFromBytes(untilNul(block.subarray(from, to)));
