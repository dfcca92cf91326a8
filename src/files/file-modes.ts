// Permission bits between this machine and others: Windows has none that mean anything there.
import { closeSync, readSync, type Stats } from 'node:fs';
import { openSync } from './named-fs.ts';

/** What stands for the bits that Windows does not have. */
export const usualModes = { directory: 0o755, program: 0o755, file: 0o644 };

/**
 * The bits of a file or directory. On Windows all can be read by everybody, directories can be entered, and files that begin
 * with `#!` can be run.
 *
 * @param file Its path, or the descriptor of an open file.
 */
export function sentMode(
  { mode }: Pick<Stats, 'mode'>,
  file: string | number,
  platform: NodeJS.Platform = process.platform,
): number {
  if (platform !== 'win32') return mode & 0o7777;
  if ((mode & 0o170000) === 0o040000) return usualModes.directory;
  return isScript(file) ? usualModes.program : usualModes.file;
}

function isScript(file: string | number): boolean {
  let fd: number | undefined;
  try {
    fd = typeof file === 'number' ? file : openSync(file, 'r');
    const start = Buffer.alloc(2);
    return readSync(fd, start, 0, 2, 0) === 2 && start.toString('latin1') === '#!';
  } catch {
    // Reading it fails again where its content is needed, and then says why.
    return false;
  } finally {
    if (fd !== undefined && fd !== file) closeSync(fd);
  }
}

/**
 * The part of a mode from another machine that is used here: permissions that the user's own files may have, and nothing that makes
 * a program run as somebody else. `umask` as `process.umask()` gives it.
 */
export const ownMode = (mode: number, umask: number = process.umask()): number =>
  mode & 0o777 & ~umask;
