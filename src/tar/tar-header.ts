// The blocks that come before an entry's content.
import { basename } from 'node:path';
import { Header, type HeaderData, Pax } from 'tar';
import { bytesOfName } from '../protocol/name-bytes.ts';

export interface HeaderFields {
  /** Relative; a directory's ends in a slash. */
  name: string;
  type: 'File' | 'Directory' | 'SymbolicLink' | 'FIFO';
  /** Permissions with setuid, setgid and sticky. */
  mode: number;
  sizeBytes: number;
  mtimeMs: number;
  /** Whether the time has milliseconds, which needs a PAX header. Default: whole seconds. */
  isPrecise?: boolean | undefined;
  linkTarget?: string;
}

/** The biggest number that eleven octal digits hold: a size in bytes, a time in seconds. */
const maxOctal = 0o77777777777;
/** A name this long would be split at a slash, which loses a directory's trailing slash. */
const splitBytes = 100;

/** The entry's header, after a PAX header when the plain one cannot say all of it. Owner is 0. */
export function encodeHeader(fields: HeaderFields): Buffer {
  const { name, linkTarget } = fields;
  if (!name.isWellFormed() || linkTarget?.isWellFormed() === false) return bytesHeader(fields);
  const seconds = Math.floor(fields.mtimeMs / 1000);
  const mtime = new Date(seconds * 1000);
  const data: HeaderData = {
    path: name,
    mode: fields.mode,
    uid: 0,
    gid: 0,
    size: fields.sizeBytes,
    mtime,
    type: fields.type,
    linkpath: linkTarget ?? '',
  };
  const block = Buffer.alloc(512);
  const needsPax = new Header(data).encode(block);
  const hasFraction = fields.isPrecise === true && Math.trunc(fields.mtimeMs) % 1000 !== 0;
  if (!needsPax && !hasFraction && Buffer.byteLength(name) < splitBytes) return block;

  const pax: HeaderData = { path: name };
  if (linkTarget !== undefined) pax.linkpath = linkTarget;
  if (fields.sizeBytes > maxOctal) pax.size = fields.sizeBytes;
  if (seconds < 0 || seconds > maxOctal) pax.mtime = mtime;
  if (hasFraction) pax.mtime = new Date(fields.mtimeMs);
  const plain = Buffer.alloc(512);
  new Header({ ...data, path: plainName(name) }).encode(plain);
  return Buffer.concat([new Pax(pax).encode(), plain]);
}

/**
 * A header with names that are not UTF-8, as GNU tar writes it: as they are in their fields, or in blocks before when they are
 * longer. PAX knows names in UTF-8 only.
 */
function bytesHeader(fields: HeaderFields): Buffer {
  const { name, linkTarget } = fields;
  // The blocks before the last hold what only PAX can express, such as a large size.
  const plain = encodeHeader({
    ...fields,
    name: name.endsWith('/') ? '_/' : '_',
    ...(linkTarget !== undefined && { linkTarget: '_' }),
  });
  const names = [
    { bytes: bytesOfName(name), at: nameAt, letter: 'L' },
    { bytes: bytesOfName(linkTarget ?? ''), at: targetAt, letter: 'K' },
  ];
  const block = plain.subarray(-blockSize);
  const before = names.flatMap(({ bytes, at, letter }) => {
    block.fill(0, at, at + fieldBytes);
    bytes.copy(block, at, 0, fieldBytes);
    if (bytes.length <= fieldBytes) return [];
    // For readers that use the field anyway, it must not end in a slash.
    if (block[at + fieldBytes - 1] === slash) block[at + fieldBytes - 1] = 0;
    return [longName(letter, bytes)];
  });
  seal(block);
  return Buffer.concat([plain.subarray(0, -blockSize), ...before, block]);
}

const blockSize = 512;
const fieldBytes = 100;
const nameAt = 0;
const targetAt = 157;
const slash = 0x2f;

/** A name for the entry that follows. */
function longName(letter: string, name: Buffer): Buffer {
  const block = Buffer.alloc(blockSize);
  const path = '././@LongLink';
  const size = name.length + 1;
  new Header({ path, mode: 0o644, uid: 0, gid: 0, size, mtime: new Date(0), type: 'File' }).encode(
    block,
  );
  block.write(letter, 156, 'latin1');
  seal(block);
  return Buffer.concat([block, name, Buffer.alloc(blockSize - (name.length % blockSize))]);
}

/** Makes the header's checksum right. */
function seal(block: Buffer): void {
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}

/** For readers without PAX. It is never cut so that it ends in a slash, which would make a directory of a file. */
function plainName(name: string): string {
  const slash = name.endsWith('/') ? '/' : '';
  return (
    basename(name)
      .replaceAll(/[^!-~]/gu, '_')
      .slice(0, 80) + slash
  );
}
