// Directories that are held open: a system call on a name in one reaches that directory, even if its path was replaced.
// So a command that swaps a directory and a link cannot redirect it.
import { closeSync, constants, fstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileIdentity } from './file-identity.ts';
import { chmodSync, lstatSync, openSync, realpathSync, statSync } from './named-fs.ts';

export interface OpenDirectory {
  /** The absolute path when it was opened, for messages and comparisons, never for system calls. */
  readonly path: string;
  /** For a system call on the directory itself. */
  readonly self: string;
  /** For a system call on this name in it. The last element may be a link. */
  at(name: string): string;
  /** Opens a directory in it. Throws as `open` does: ENOENT, or ENOTDIR for a link or anything else. */
  child(name: string): OpenDirectory;
  /** Its device and inode. */
  readonly identity: string;
  /** Says that it was renamed. Only one that is held by its path needs to know. */
  moved?(path: string): void;
  /** Sets the directory's own mode, even to one that allows nobody to enter. */
  setMode(mode: number): void;
  close(): void;
}

/** Opens a directory without read permission. Node has no constant for it. */
const pathOnly = process.platform === 'linux' ? 0o10000000 : 0;
const openFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | pathOnly;

/** The directory of this process's descriptors, where the system has one. */
const descriptors = findDescriptors();

/** How directories are held: by descriptor, or by path where the system cannot use descriptors. */
export type DirectoryAccess = 'descriptor' | 'path';
export const bestAccess: DirectoryAccess = descriptors === undefined ? 'path' : 'descriptor';

/** Holds the directory at an absolute path, whose last element must not be a link. Throws as `open` does. */
export const openDirectory = (path: string, how = bestAccess): OpenDirectory =>
  how === 'path' || descriptors === undefined
    ? new ByPath(path)
    : new ByDescriptor(path, path, descriptors);

/** {@link openDirectory}, also where the last element is a link. */
export const holdThroughLinks = (path: string): OpenDirectory =>
  descriptors === undefined
    ? new ByPath(realpathSync(path))
    : new ByDescriptor(path, `${path}/.`, descriptors);

/**
 * A directory that is used by its path: for the user's own tree, in which nobody swaps directories and links. Entries in
 * it are not checked for being directories; reading them shows it.
 */
export const directoryByPath = (path: string): OpenDirectory =>
  new ByPath(realpathSync(path), true);

/** Sets the mode of the entry of this name; links are left alone. Throws as `chmod` does. */
export function setMode(at: string, mode: number): void {
  if (descriptors === undefined) {
    chmodSync(at, mode);
    return;
  }
  const fd = openSync(at, constants.O_NOFOLLOW | pathOnly);
  try {
    if (!fstatSync(fd).isSymbolicLink()) chmodSync(`${descriptors}/${fd}`, mode);
  } finally {
    closeSync(fd);
  }
}

/**
 * Gives a path of the socket of this name for as long as `use` takes: what takes the socket's place meanwhile is not
 * reached. Throws ENOTSOCK for a link and anything else, and ENOTSUP where only paths can be used.
 */
export async function withSocket<T>(
  directory: OpenDirectory,
  name: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const at = directory.at(name);
  if (descriptors === undefined) throw errnoError('ENOTSUP', 'sockets cannot be held', at);
  const fd = openSync(at, constants.O_NOFOLLOW | pathOnly);
  try {
    if (!fstatSync(fd).isSocket()) throw errnoError('ENOTSOCK', 'not a socket', at);
    return await use(`${descriptors}/${fd}`);
  } finally {
    closeSync(fd);
  }
}

const errnoError = (code: string, what: string, path: string): Error =>
  Object.assign(new Error(`${code}: ${what}, open '${path}'`), { code });

/** Closes unreachable directories: some users end by an error elsewhere. */
const forgotten = new FinalizationRegistry<number>((fd) => closeSync(fd));

class ByDescriptor implements OpenDirectory {
  readonly path: string;
  readonly #descriptors: string;
  readonly #fd: number;
  readonly #prefix: string;
  #isOpen = true;

  constructor(path: string, place: string, descriptors: string) {
    this.path = path;
    this.#descriptors = descriptors;
    this.#fd = openSync(place, openFlags);
    this.#prefix = `${descriptors}/${this.#fd}/`;
    forgotten.register(this, this.#fd, this);
  }

  get self(): string {
    return this.at('.');
  }

  get identity(): string {
    return fileIdentity(this.#fd);
  }

  at(name: string): string {
    // The descriptor may have been reused.
    if (!this.#isOpen) throw new Error(`${this.path} is not held any more`);
    return this.#prefix + name;
  }

  child(name: string): OpenDirectory {
    return new ByDescriptor(join(this.path, name), this.at(name), this.#descriptors);
  }

  setMode(mode: number): void {
    // Not by `self`: looking up `.` needs search permission.
    chmodSync(this.at('').slice(0, -1), mode);
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    forgotten.unregister(this);
    closeSync(this.#fd);
  }
}

class ByPath implements OpenDirectory {
  path: string;
  readonly #isOwn: boolean;

  constructor(path: string, isOwn = false) {
    if (!isOwn && !lstatSync(path).isDirectory()) {
      throw errnoError('ENOTDIR', 'not a directory', path);
    }
    this.path = path;
    this.#isOwn = isOwn;
  }

  moved(path: string): void {
    this.path = path;
  }

  get self(): string {
    return this.path;
  }

  get identity(): string {
    return fileIdentity(this.path);
  }

  at(name: string): string {
    // Most names are plain, and normalizing each would take as long as the system calls.
    const isPlain = name !== '' && !name.startsWith('.') && !name.includes('/');
    return isPlain && this.path !== '/' ? `${this.path}/${name}` : join(this.path, name);
  }

  child(name: string): OpenDirectory {
    return new ByPath(this.at(name), this.#isOwn);
  }

  setMode(mode: number): void {
    chmodSync(this.path, mode);
  }

  close(): void {}
}

/** Looked up once: a number instead of `self` saves a link in every call. */
function findDescriptors(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const directory = `/proc/${readlinkSync('/proc/self')}/fd`;
    const fd = openSync('/', openFlags);
    try {
      const [here, there] = [fstatSync(fd), statSync(`${directory}/${fd}/.`)];
      return here.ino === there.ino && here.dev === there.dev ? directory : undefined;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}
