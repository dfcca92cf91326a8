// One entry of a tar archive, from its header and the blocks before it.
import { Header } from 'tar';
import { nameFromBytes } from '../protocol/name-bytes.ts';
import { archiveErrors } from './archive-error.ts';

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

/** Reads a header; `said` holds the fields of the blocks before it. Throws ERR_ARCHIVE for an invalid header. */
export function entryOf(
  { block, letter, header }: { block: Buffer; letter: string; header: Header },
  records: PaxRecords,
  said: { name: string | undefined; target: string | undefined },
): TarEntry {
  const name = paxText(records, 'GNU.sparse.name') ?? said.name ?? headerName(block, header);
  const mtime = paxNumber(records, 'mtime');
  if (Number.isNaN(mtime)) {
    const text = JSON.stringify(paxText(records, 'mtime'));
    throw archiveErrors.entry(name, `its PAX header has a malformed mtime, ${text}`);
  }
  return {
    name,
    typeFlag: fileTypes.includes(letter) ? (name.endsWith('/') ? '5' : '0') : letter,
    mode: header.mode === undefined ? undefined : header.mode & 0o7777,
    mtime: validTime(mtime === undefined ? header.mtime : millisecond(mtime)),
    sizeBytes: 0,
    linkTarget: said.target ?? paxText(records, 'linkpath') ?? headerTarget(block, header),
  };
}

/** A plain file: by POSIX, by the format before it, and one asked to lie contiguously. */
const fileTypes = '0\x007';

export function decodeHeader(
  block: Buffer,
  offset: number,
  name: string | undefined,
): Header | undefined {
  try {
    // The name is passed because a truncated one that ends in a slash would turn a file into a directory.
    return new Header(block, offset, name === undefined ? undefined : { path: name });
  } catch {
    // An invalid or too large number in base 256.
    return undefined;
  }
}

const validTime = (time: Date | undefined): Date | undefined =>
  time === undefined || Number.isNaN(time.getTime()) ? undefined : time;

export function untilNul(bytes: Buffer): Buffer {
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

/** The millisecond in which the time is; 0.645 seconds, which no number is exactly, are 645 of them. */
const millisecond = (seconds: number): Date =>
  new Date(Math.floor(Number((seconds * 1000).toFixed(3))));

/**
 * The records of a PAX extended header. The tar package reads them line by line and loses a value that holds a newline, which is
 * allowed in file names.
 */
export type PaxRecords = ReadonlyMap<string, Buffer>;

const space = 0x20;
const newline = 0x0a;

/** The keys that are used; the rest is dropped. */
const wanted = /^(?:path|linkpath|size|mtime|GNU\.sparse\..*)$/;
/** Repeated in one header: the parts of a sparse file. They are returned as one record, `GNU.sparse.map`. */
const repeated = ['GNU.sparse.offset', 'GNU.sparse.numbytes'];

/**
 * Reads `<length> <key>=<value>\n` repeated; undefined when it is anything else. The values are copies: what they came in may
 * be used again.
 */
export function parsePaxRecords(body: Buffer): PaxRecords | undefined {
  const records = new Map<string, Buffer>();
  const parts: string[] = [];
  for (let start = 0; start < body.length; ) {
    const gap = body.indexOf(space, start);
    const digits = gap < 0 ? '' : body.toString('latin1', start, Math.min(gap, start + 10));
    if (!/^[1-9][0-9]*$/.test(digits)) return undefined;
    const end = start + Number(digits);
    const equals = body.indexOf('=', gap);
    if (end > body.length || equals < 0 || equals >= end || body[end - 1] !== newline) {
      return undefined;
    }
    const key = body.toString('utf8', gap + 1, equals);
    const value = body.subarray(equals + 1, end - 1);
    if (repeated.includes(key)) parts.push(value.toString('latin1'));
    else if (wanted.test(key)) records.set(key, Buffer.from(value));
    start = end;
  }
  if (parts.length > 0) records.set('GNU.sparse.map', Buffer.from(parts.join(',')));
  return records;
}

/** A record as text: undefined when absent or empty, which means "use the header's own". */
export function paxText(records: PaxRecords, key: string): string | undefined {
  const value = records.get(key);
  return value === undefined || value.length === 0 ? undefined : nameFromBytes(value);
}

/** A record as a number: undefined when absent or empty, NaN when it is not a number. */
export function paxNumber(records: PaxRecords, key: string): number | undefined {
  const text = paxText(records, key);
  if (text === undefined) return undefined;
  return /^-?[0-9]+(\.[0-9]*)?$/.test(text) ? Number(text) : Number.NaN;
}
