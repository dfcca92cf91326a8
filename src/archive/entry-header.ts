// The header blocks of one tar entry: a PAX one before it where the classic fields are too short.
import type { Stats } from 'node:fs';
import { Header, Pax } from 'tar';

export interface EntryDescription {
  /** Relative; a directory's ends in a slash. */
  readonly name: string;
  readonly type: 'File' | 'Directory' | 'SymbolicLink' | 'FIFO';
  readonly stats: Stats;
  /** Bytes of content that follow. Default 0. */
  readonly size?: number;
  readonly linkpath?: string;
}

export function entryHeader(entry: EntryDescription): Buffer {
  const { name: path, type, stats, size = 0, linkpath } = entry;
  const fields = {
    path,
    type,
    size,
    mode: stats.mode & 0o7777,
    // Owners mean nothing on another machine.
    uid: 0,
    gid: 0,
    mtime: new Date(Math.floor(stats.mtimeMs / 1000) * 1000),
    ...(linkpath === undefined ? {} : { linkpath }),
  };
  const block = Buffer.alloc(512);
  const needsPax = new Header(fields).encode(block, 0);
  return needsPax ? Buffer.concat([new Pax(fields).encode(), block]) : block;
}
