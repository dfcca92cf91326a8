// The messages of SFTP, version 3: draft-ietf-secsh-filexfer-02, with the extensions of OpenSSH.
import type { Stats } from 'node:fs';

export const requests = {
  init: 1,
  open: 3,
  close: 4,
  read: 5,
  write: 6,
  lstat: 7,
  fstat: 8,
  setstat: 9,
  fsetstat: 10,
  opendir: 11,
  readdir: 12,
  remove: 13,
  mkdir: 14,
  rmdir: 15,
  realpath: 16,
  stat: 17,
  rename: 18,
  readlink: 19,
  symlink: 20,
  extended: 200,
} as const;

const replies = {
  version: 2,
  status: 101,
  handle: 102,
  data: 103,
  name: 104,
  attrs: 105,
  extended: 201,
};

export const statuses = {
  ok: 0,
  eof: 1,
  noSuchFile: 2,
  denied: 3,
  failure: 4,
  badMessage: 5,
  unsupported: 8,
} as const;

/** The flags of `open`. */
export const openFlags = { read: 1, write: 2, append: 4, create: 8, truncate: 16, exclusive: 32 };

/** The flags of the attributes that are present. */
const has = { size: 1, owner: 2, mode: 4, times: 8, extended: 0x8000_0000 };

/** The maximum length of a message, in bytes, without the length field. */
export const messageLimit = 256 << 10;

/** The maximum amount of file data in a message, in bytes. */
export const pieceLimit = messageLimit - 1024;

const version = 3;
const wholeSecond = 1_000;
const uint32Limit = 0xffff_ffff;

/** The attributes in a request; absent ones stay unchanged. */
export interface Attributes {
  size?: number;
  owner?: { readonly uid: number; readonly gid: number };
  mode?: number;
  /** In seconds since 1970. */
  times?: { readonly atime: number; readonly mtime: number };
}

/** The message violates the protocol. */
export class BadMessage extends Error {}

/** Reads the fields of a message in order. */
export class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  byte(): number {
    return this.#take(1).readUInt8();
  }

  uint32(): number {
    return this.#take(4).readUInt32BE();
  }

  /** A 64-bit number that fits into a double; others are not valid offsets. */
  uint64(): number {
    const number = Number(this.#take(8).readBigUInt64BE());
    if (!Number.isSafeInteger(number)) throw new BadMessage('no file is so long');
    return number;
  }

  /** Reads a string of arbitrary bytes. */
  string(): Buffer {
    return this.#take(this.uint32());
  }

  attributes(): Attributes {
    const flags = this.uint32();
    const attributes: Attributes = {};
    if (flags & has.size) attributes.size = this.uint64();
    if (flags & has.owner) attributes.owner = { uid: this.uint32(), gid: this.uint32() };
    if (flags & has.mode) attributes.mode = this.uint32();
    if (flags & has.times) attributes.times = { atime: this.uint32(), mtime: this.uint32() };
    if (flags & has.extended) {
      for (let left = this.uint32(); left > 0; left--) {
        this.string();
        this.string();
      }
    }
    return attributes;
  }

  #take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new BadMessage('a message ends too early');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
}

const uint32 = (number: number): Buffer => {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(Math.min(Math.max(Math.trunc(number) || 0, 0), uint32Limit));
  return bytes;
};

const uint64 = (number: number | bigint): Buffer => {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(64, BigInt(number)));
  return bytes;
};

const string = (bytes: Buffer): Buffer => Buffer.concat([uint32(bytes.length), bytes]);

function message(type: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from([type]), ...parts]);
  return Buffer.concat([uint32(body.length), body]);
}

function attributesOf({ size, uid, gid, mode, atimeMs, mtimeMs }: Stats): Buffer {
  const times = [atimeMs, mtimeMs].map((ms) => uint32(Math.floor(ms / wholeSecond)));
  return Buffer.concat([
    uint32(has.size | has.owner | has.mode | has.times),
    uint64(size),
    ...[uid, gid, mode].map(uint32),
    ...times,
  ]);
}

export const versionReply = (extensions: Readonly<Record<string, string>>): Buffer =>
  message(
    replies.version,
    uint32(version),
    ...Object.entries(extensions)
      .flat()
      .map((text) => string(Buffer.from(text))),
  );

export const statusReply = (id: number, status: number, words = ''): Buffer =>
  message(replies.status, uint32(id), uint32(status), string(Buffer.from(words)), uint32(0));

export const handleReply = (id: number, handle: number): Buffer =>
  message(replies.handle, uint32(id), string(uint32(handle)));

export const dataReply = (id: number, data: Buffer): Buffer =>
  message(replies.data, uint32(id), string(data));

export const attributesReply = (id: number, stats: Stats): Buffer =>
  message(replies.attrs, uint32(id), attributesOf(stats));

/** An entry of a directory: the name, and a line for people. */
export interface ListedName {
  readonly name: Buffer;
  readonly line: Buffer;
  readonly stats: Stats;
}

export const namesReply = (id: number, names: readonly ListedName[]): Buffer =>
  message(
    replies.name,
    uint32(id),
    uint32(names.length),
    ...names.flatMap(({ name, line, stats }) => [string(name), string(line), attributesOf(stats)]),
  );

/** The reply that holds only a path. */
export const pathReply = (id: number, path: Buffer): Buffer =>
  message(replies.name, uint32(id), uint32(1), string(path), string(path), uint32(0));

export const numbersReply = (id: number, numbers: readonly (number | bigint)[]): Buffer =>
  message(replies.extended, uint32(id), ...numbers.map(uint64));
