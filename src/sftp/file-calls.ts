// File operations of SFTP requests. The calls are synchronous: this process serves one client. Paths are bytes, as
// received; relative paths begin in the current directory.
import {
  chmodSync,
  chownSync,
  constants,
  fchmodSync,
  fchownSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  readSync,
  realpathSync,
  renameSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { errnoOf, isErrno } from '../errors.ts';
import { type Attributes, openFlags } from './packets.ts';

const permissions = 0o7777;

/** Converts the flags of `open` to those of the system. */
export function systemFlags(flags: number): number {
  const reads = (flags & openFlags.read) !== 0;
  const writes = (flags & (openFlags.write | openFlags.append)) !== 0;
  const access = writes ? (reads ? constants.O_RDWR : constants.O_WRONLY) : constants.O_RDONLY;
  return (
    access |
    (flags & openFlags.append ? constants.O_APPEND : 0) |
    (flags & openFlags.create ? constants.O_CREAT : 0) |
    (flags & openFlags.truncate ? constants.O_TRUNC : 0) |
    (flags & openFlags.exclusive ? constants.O_EXCL : 0)
  );
}

/** The default mode of a new file; the umask applies. */
export const modeOf = ({ mode }: Attributes, usual: number): number =>
  (mode ?? usual) & permissions;

/** Reads up to `length` bytes at the position; fewer only at the end of the file. */
export function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let taken = 0;
  while (taken < length) {
    const count = readSync(fd, bytes, taken, length - taken, position + taken);
    if (count === 0) break;
    taken += count;
  }
  return bytes.subarray(0, taken);
}

/** Writes all data; without a position, where the system appends. */
export function writeAt(fd: number, bytes: Buffer, position: number | null): void {
  for (let done = 0; done < bytes.length; ) {
    const at = position === null ? null : position + done;
    done += writeSync(fd, bytes, done, bytes.length - done, at);
  }
}

/** Sets attributes by path, by path without following a link, or by descriptor. */
interface Setters {
  truncate(size: number): void;
  chmod(mode: number): void;
  utimes(atime: number, mtime: number): void;
  chown(uid: number, gid: number): void;
}

export const settersOf = (path: Buffer): Setters => ({
  truncate: (size) => truncateSync(path, size),
  chmod: (mode) => chmodSync(path, mode),
  utimes: (...times) => utimesSync(path, ...times),
  chown: (...owner) => chownSync(path, ...owner),
});

export const linkSettersOf = (path: Buffer): Setters => ({
  truncate: (size) => truncateSync(path, size),
  // Links have no mode.
  chmod: (mode) => {
    if (!lstatSync(path).isSymbolicLink()) chmodSync(path, mode);
  },
  utimes: (...times) => lutimesSync(path, ...times),
  chown: (...owner) => lchownSync(path, ...owner),
});

export const descriptorSettersOf = (fd: number): Setters => ({
  truncate: (size) => ftruncateSync(fd, size),
  chmod: (mode) => fchmodSync(fd, mode),
  utimes: (...times) => futimesSync(fd, ...times),
  chown: (...owner) => fchownSync(fd, ...owner),
});

export function setAttributes(setters: Setters, { size, mode, times, owner }: Attributes): void {
  if (size !== undefined) setters.truncate(size);
  if (mode !== undefined) setters.chmod(mode & permissions);
  if (times !== undefined) setters.utimes(times.atime, times.mtime);
  if (owner !== undefined) setters.chown(owner.uid, owner.gid);
}

/** Renames, unless the new name exists. */
export function renameNew(from: Buffer, to: Buffer): void {
  // Only `link` is free of races, but it does not work for every file.
  if (lstatSync(from).isDirectory() || !isLinked(from, to)) {
    if (lstatSync(to, { throwIfNoEntry: false }) !== undefined) {
      throw Object.assign(new Error('the new name is taken'), { code: 'EEXIST' });
    }
    renameSync(from, to);
  } else unlinkSync(from);
}

/** Whether the hard link was created; false where hard links are impossible. */
function isLinked(from: Buffer, to: Buffer): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    const noLinks = ['EPERM', 'EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'EXDEV', 'EMLINK'];
    if (isErrno(error, ...noLinks)) return false;
    throw error;
  }
}

/** Resolves links and dots; the last element may be missing. */
export function realPath(path: Buffer): Buffer {
  const wanted = path.length === 0 ? Buffer.from('.') : path;
  try {
    return realpathSync.native(wanted, 'buffer');
  } catch (error) {
    const slash = wanted.lastIndexOf('/');
    const last = wanted.subarray(slash + 1);
    const isName = last.length > 0 && !['.', '..'].includes(last.toString('latin1'));
    if (errnoOf(error) !== 'ENOENT' || !isName) throw error;
    const above = slash < 0 ? Buffer.from('.') : wanted.subarray(0, Math.max(slash, 1));
    const real = realpathSync.native(above, 'buffer');
    const isRoot = real.length === 1;
    return Buffer.concat([real, Buffer.from(isRoot ? '' : '/'), last]);
  }
}
