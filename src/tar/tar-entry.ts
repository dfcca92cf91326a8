// One entry of a tar archive, from its header and the blocks before it.
import { Header } from 'tar';
import { nameFromBytes } from '../protocol/name-bytes.ts';
import { archiveErrors } from './archive-error.ts';
import { type PaxRecords, paxNumber, paxText } from './pax-records.ts';

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
