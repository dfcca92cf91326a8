// Serves one SFTP client.
import {
  fstatSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  opendirSync,
  openSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  type Stats,
  statfsSync,
  statSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { errnoOf } from '../errors.ts';
import { errnoText } from '../protocol/process-state.ts';
import {
  descriptorSettersOf,
  linkSettersOf,
  modeOf,
  readAt,
  realPath,
  renameNew,
  setAttributes,
  settersOf,
  systemFlags,
  writeAt,
} from './file-calls.ts';
import { Handles, handleLimit, NoHandle } from './handles.ts';
import { listingLine } from './listing-line.ts';
import {
  attributesReply,
  BadMessage,
  dataReply,
  Fields,
  handleReply,
  type ListedName,
  messageLimit,
  namesReply,
  numbersReply,
  openFlags,
  pathReply,
  pieceLimit,
  requests,
  statuses,
  statusReply,
  versionReply,
} from './packets.ts';

/** The announced extensions and their versions. */
const extensions = {
  'posix-rename@openssh.com': '1',
  'statvfs@openssh.com': '2',
  'hardlink@openssh.com': '1',
  'fsync@openssh.com': '1',
  'lsetstat@openssh.com': '1',
  'limits@openssh.com': '1',
  'expand-path@openssh.com': '1',
};

/** The maximum number of names in a reply. */
const namesAtOnce = 100;

const lengthBytes = 4;

export class SftpServer {
  readonly #handles = new Handles();
  readonly #home: string;
  /** The beginning of an incomplete message. */
  #held: Buffer = Buffer.alloc(0);

  /** @param home The directory for `~`. */
  constructor(home: string) {
    this.#home = home;
  }

  /** Processes data from the client, and returns the replies. Throws BadMessage for messages that cannot be answered. */
  *answer(bytes: Buffer): Generator<Buffer> {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    while (this.#held.length >= lengthBytes) {
      const length = this.#held.readUInt32BE();
      if (length === 0 || length > messageLimit)
        throw new BadMessage(`a message of ${length} bytes`);
      const end = lengthBytes + length;
      if (this.#held.length < end) break;
      const message = this.#held.subarray(lengthBytes, end);
      this.#held = this.#held.subarray(end);
      yield this.#reply(new Fields(message));
    }
    // The caller reuses the buffer.
    this.#held = Buffer.from(this.#held);
  }

  #reply(fields: Fields): Buffer {
    const type = fields.byte();
    if (type === requests.init) return versionReply(extensions);
    const id = fields.uint32();
    try {
      return this.#do(type, id, fields);
    } catch (error) {
      return failure(id, error);
    }
  }

  #do(type: number, id: number, fields: Fields): Buffer {
    const handles = this.#handles;
    switch (type) {
      case requests.open:
        return this.#open(id, fields);
      case requests.opendir:
        return this.#openDirectory(id, fields.string());
      case requests.close:
        handles.close(fields.string());
        return done(id);
      case requests.read:
        return this.#read(id, fields);
      case requests.write:
        return this.#write(id, fields);
      case requests.readdir:
        return this.#list(id, fields.string());
      case requests.lstat:
        return attributesReply(id, lstatSync(fields.string()));
      case requests.stat:
        return attributesReply(id, statSync(fields.string()));
      case requests.fstat:
        return attributesReply(id, fstatSync(handles.file(fields.string()).fd));
      case requests.setstat:
        setAttributes(settersOf(fields.string()), fields.attributes());
        return done(id);
      case requests.fsetstat:
        setAttributes(descriptorSettersOf(handles.file(fields.string()).fd), fields.attributes());
        return done(id);
      case requests.remove:
        unlinkSync(fields.string());
        return done(id);
      case requests.mkdir:
        mkdirSync(fields.string(), modeOf(fields.attributes(), 0o777));
        return done(id);
      case requests.rmdir:
        rmdirSync(fields.string());
        return done(id);
      case requests.realpath:
        return pathReply(id, realPath(fields.string()));
      case requests.rename:
        renameNew(fields.string(), fields.string());
        return done(id);
      case requests.readlink:
        return pathReply(id, readlinkSync(fields.string(), 'buffer'));
      case requests.symlink:
        // The target comes first, as in OpenSSH and unlike the draft.
        symlinkSync(fields.string(), fields.string());
        return done(id);
      case requests.extended:
        return this.#extended(id, fields.string().toString(), fields);
      default:
        return unsupported(id);
    }
  }

  #extended(id: number, name: string, fields: Fields): Buffer {
    switch (name) {
      case 'posix-rename@openssh.com':
        renameSync(fields.string(), fields.string());
        return done(id);
      case 'hardlink@openssh.com':
        linkSync(fields.string(), fields.string());
        return done(id);
      case 'fsync@openssh.com':
        fsyncSync(this.#handles.file(fields.string()).fd);
        return done(id);
      case 'lsetstat@openssh.com':
        setAttributes(linkSettersOf(fields.string()), fields.attributes());
        return done(id);
      case 'limits@openssh.com':
        return numbersReply(id, [messageLimit, pieceLimit, pieceLimit, handleLimit]);
      case 'statvfs@openssh.com':
        return numbersReply(id, fileSystemOf(fields.string()));
      case 'expand-path@openssh.com':
        return pathReply(id, realPath(this.#expanded(fields.string())));
      default:
        return unsupported(id);
    }
  }

  /** Expands `~` to the home directory. */
  #expanded(path: Buffer): Buffer {
    if (!/^~(\/|$)/.test(path.toString('latin1'))) return path;
    return Buffer.concat([Buffer.from(this.#home), path.subarray(1)]);
  }

  #open(id: number, fields: Fields): Buffer {
    const path = fields.string();
    const flags = fields.uint32();
    const mode = modeOf(fields.attributes(), 0o666);
    if (this.#handles.isFull) throw new Error('too many files are open');
    const fd = openSync(path, systemFlags(flags), mode);
    const appends = (flags & openFlags.append) !== 0;
    return handleReply(id, this.#handles.add({ kind: 'file', fd, appends }));
  }

  #openDirectory(id: number, path: Buffer): Buffer {
    if (this.#handles.isFull) throw new Error('too many directories are open');
    const dir = opendirSync(path as unknown as string, { encoding: 'buffer' as BufferEncoding });
    return handleReply(id, this.#handles.add({ kind: 'directory', path: Buffer.from(path), dir }));
  }

  #read(id: number, fields: Fields): Buffer {
    const { fd } = this.#handles.file(fields.string());
    const position = fields.uint64();
    const length = Math.min(fields.uint32(), pieceLimit);
    const bytes = readAt(fd, position, length);
    return bytes.length === 0 && length > 0 ? statusReply(id, statuses.eof) : dataReply(id, bytes);
  }

  #write(id: number, fields: Fields): Buffer {
    const { fd, appends } = this.#handles.file(fields.string());
    const position = fields.uint64();
    writeAt(fd, fields.string(), appends ? null : position);
    return done(id);
  }

  #list(id: number, handle: Buffer): Buffer {
    const { dir, path } = this.#handles.directory(handle);
    const names: ListedName[] = [];
    while (names.length < namesAtOnce) {
      const entry = dir.readSync();
      if (entry === null) break;
      const name = entry.name as unknown as Buffer;
      const stats = statsIn(path, name);
      // Skip entries that have been removed meanwhile.
      if (stats !== undefined) names.push({ name, line: listingLine(name, stats), stats });
    }
    return names.length === 0 ? statusReply(id, statuses.eof) : namesReply(id, names);
  }
}

const statsIn = (directory: Buffer, name: Buffer): Stats | undefined =>
  lstatSync(Buffer.concat([directory, Buffer.from('/'), name]), { throwIfNoEntry: false });

const done = (id: number): Buffer => statusReply(id, statuses.ok);

const unsupported = (id: number): Buffer =>
  statusReply(id, statuses.unsupported, 'there is no such request');

/** The file system's sizes, in the order of the reply; values that Node does not provide are 0. */
function fileSystemOf(path: Buffer): (number | bigint)[] {
  const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path, { bigint: true });
  const longestName = 255;
  return [bsize, bsize, blocks, bfree, bavail, files, ffree, ffree, 0, 0, longestName];
}

const statusOfErrno: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    ['ENOENT', 'ENOTDIR', 'EBADF', 'ELOOP'].map((code) => [code, statuses.noSuchFile]),
  ),
  ...Object.fromEntries(['EPERM', 'EACCES', 'EFAULT'].map((code) => [code, statuses.denied])),
  ...Object.fromEntries(['ENAMETOOLONG', 'EINVAL'].map((code) => [code, statuses.badMessage])),
  ENOSYS: statuses.unsupported,
};

function failure(id: number, error: unknown): Buffer {
  if (error instanceof BadMessage) return statusReply(id, statuses.badMessage, error.message);
  if (error instanceof NoHandle) return statusReply(id, statuses.failure, error.message);
  const code = errnoOf(error);
  const words = code === undefined ? String((error as Error).message) : errnoText(code);
  return statusReply(id, statusOfErrno[code ?? ''] ?? statuses.failure, words);
}
