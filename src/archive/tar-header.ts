// The blocks that come before an entry's content.
import { basename } from 'node:path';
import { Header, type HeaderData, Pax } from 'tar';

export interface HeaderFields {
  /** Relative; a directory's ends in a slash. */
  name: string;
  type: 'File' | 'Directory' | 'SymbolicLink' | 'FIFO';
  /** Permissions with setuid, setgid and sticky. */
  mode: number;
  sizeBytes: number;
  mtimeMs: number;
  linkTarget?: string;
}

/** The biggest number that eleven octal digits hold: a size in bytes, a time in seconds. */
const maxOctal = 0o77777777777;
/** A name this long would be split at a slash, which loses the slash at the end of a directory's. */
const longName = 100;

/** The entry's header, after a PAX header when the plain one cannot say all of it. Owner is 0. */
export function encodeHeader(fields: HeaderFields): Buffer {
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
  if (!needsPax && Buffer.byteLength(name) < longName) return block;

  const pax: HeaderData = { path: name };
  if (linkTarget !== undefined) pax.linkpath = linkTarget;
  if (fields.sizeBytes > maxOctal) pax.size = fields.sizeBytes;
  if (seconds < 0 || seconds > maxOctal) pax.mtime = mtime;
  const plain = Buffer.alloc(512);
  new Header({ ...data, path: plainName(name) }).encode(plain);
  return Buffer.concat([new Pax(pax).encode(), plain]);
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
