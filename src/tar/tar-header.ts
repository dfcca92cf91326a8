// The blocks that come before an entry's content.
import { basename } from 'node:path';
import { Header, type HeaderData } from 'tar';
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
  const isText = name.isWellFormed() && linkTarget?.isWellFormed() !== false;
  return isText ? textHeader(fields) : bytesHeader(fields);
}

/** @param isNamed Whether a PAX header has the names, too: they would count instead of those of the entry's own header. */
function textHeader(fields: HeaderFields, isNamed = true): Buffer {
  const { name, linkTarget } = fields;
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
  const milliseconds = Math.floor(fields.mtimeMs);
  const hasFraction = fields.isPrecise === true && milliseconds % 1000 !== 0;
  if (!needsPax && !hasFraction && Buffer.byteLength(name) < splitBytes) return block;

  const records: string[] = isNamed ? [record('path', name)] : [];
  if (isNamed && linkTarget !== undefined) records.push(record('linkpath', linkTarget));
  if (fields.sizeBytes > maxOctal) records.push(record('size', String(fields.sizeBytes)));
  if (hasFraction) records.push(record('mtime', (milliseconds / 1000).toFixed(3)));
  else if (seconds < 0 || seconds > maxOctal) records.push(record('mtime', String(seconds)));
  const plain = Buffer.alloc(512);
  new Header({ ...data, path: plainName(name) }).encode(plain);
  return Buffer.concat([blocksBefore('x', './PaxHeader', Buffer.from(records.join(''))), plain]);
}

/** A record of a PAX header: its length, which counts itself, the key and the value. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  length = bytes + String(length).length;
  return `${length}${rest}`;
}

/**
 * A header with names that are not UTF-8, as GNU tar writes it: as they are in their fields, or in blocks before when they are
 * longer. PAX knows names in UTF-8 only.
 */
function bytesHeader(fields: HeaderFields): Buffer {
  const { name, linkTarget } = fields;
  // The blocks before the last hold what only PAX can express, such as a large size.
  const shown = {
    ...fields,
    name: name.endsWith('/') ? '_/' : '_',
    ...(linkTarget !== undefined && { linkTarget: '_' }),
  };
  const plain = textHeader(shown, false);
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
    return [blocksBefore(letter, '././@LongLink', Buffer.concat([bytes, Buffer.of(0)]))];
  });
  seal(block);
  return Buffer.concat([plain.subarray(0, -blockSize), ...before, block]);
}

const blockSize = 512;
const fieldBytes = 100;
const nameAt = 0;
const targetAt = 157;
const slash = 0x2f;

/** An entry that says something of the one that follows. */
function blocksBefore(letter: string, path: string, content: Buffer): Buffer {
  const block = Buffer.alloc(blockSize);
  const size = content.length;
  new Header({ path, mode: 0o644, uid: 0, gid: 0, size, mtime: new Date(0), type: 'File' }).encode(
    block,
  );
  block.write(letter, 156, 'latin1');
  seal(block);
  return Buffer.concat([block, content, Buffer.alloc(-size & (blockSize - 1))]);
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
