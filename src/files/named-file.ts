// Files that another process has named. Nothing is opened but what that process may name: regular files of this user below
// one directory, reached through no link.

import { closeSync, constants, fstatSync, openSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import { GomoteError } from '../errors.ts';
import { quoted } from '../printable.ts';
import { isInside } from './confine.ts';

/** Without O_NONBLOCK, a FIFO of that name would hold up everything. */
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens the file for reading; the caller closes it. `directory` is the one that the other process keeps its files in.
 *
 * @throws GomoteError ERR_REPLY when the name is not one that the other process may give; what the system says when
 * the file is not there or cannot be read.
 */
export function openNamedFile(path: string, directory: string): number {
  requireNamed(path, directory);
  const fd = openSync(path, openFlags);
  try {
    const found = fstatSync(fd);
    if (!found.isFile()) throw refused(path, 'it is not a regular file');
    if (found.uid !== (process.getuid?.() ?? found.uid)) {
      throw refused(path, 'it belongs to another user');
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Throws ERR_REPLY unless the path is below the directory and no link is on the way; as the system when it is absent. */
export function requireNamed(path: string, directory: string): void {
  const isPlain = isAbsolute(path) && normalize(path) === path && !path.includes('\0');
  // The directory's own path may have links in it: this user chose it.
  const realDirectory = realpathSync(directory);
  const top = [directory, realDirectory].find((one) => isInside(one, path) && path !== one);
  if (!isPlain || top === undefined) throw refused(path, `it is not below ${directory}`);
  const real = join(realpathSync(dirname(path)), basename(path));
  if (real !== realDirectory + path.slice(top.length)) {
    throw refused(path, 'a symbolic link is on the way to it');
  }
}

const refused = (path: string, reason: string): GomoteError =>
  new GomoteError('ERR_REPLY', `the buildlet named ${quoted(path)}: ${reason}`);
