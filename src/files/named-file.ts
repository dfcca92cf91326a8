// Files that another process has named. Only files that it may name are opened: regular files of this user below
// one directory, without following links.
import { closeSync, fstatSync, openSync, realpathSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, normalize } from 'node:path';
import { GomoteError } from '../errors.ts';
import { quoted } from '../printable.ts';
import { isInside } from './confine.ts';
import { readFlags } from './open-flags.ts';

/**
 * Opens the file for reading; the caller closes it. `directory` is the one that the other process keeps its files in.
 *
 * @throws GomoteError ERR_REPLY when the other process may not name the file; the system's error when
 * the file does not exist or cannot be read.
 */
export function openNamedFile(path: string, directory: string): number {
  requireNamed(path, directory);
  const fd = openSync(path, readFlags);
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

/** Throws ERR_REPLY unless the path is below the directory without links on the way; the system's error when it does not exist. */
export function requireNamed(path: string, directory: string): void {
  const isPlain = isAbsolute(path) && normalize(path) === path && !path.includes('\0');
  // The directory's own path may contain links: this user chose it.
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
