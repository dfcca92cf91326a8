// The failure of a file of this machine.
import { errnoOf, GomoteError, isErrno, messageOf } from '../errors.ts';
import { errnoText } from '../protocol/process-state.ts';

/** Why a file cannot be used, for a message that names the file: of Node's errors the words of the system alone. */
export function reasonOf(error: unknown): string {
  const code = errnoOf(error) ?? '';
  const words = errnoText(code);
  return words === code ? messageOf(error) : words;
}

export function localError(
  verb: string,
  file: string,
  error: unknown,
  hint = cures[errnoOf(error) ?? ''] ?? 'check the path and its permissions',
): GomoteError {
  const message = `cannot ${verb} "${file}": ${reasonOf(error)}`;
  return new GomoteError('ERR_LOCAL_FILE', message, { hint, cause: error });
}

const cures: Record<string, string> = {
  EDQUOT: 'make room there',
  ENOSPC: 'make room there',
  EROFS: 'choose a directory that can be written',
};

/** Node's call, and what it does for a person. */
const verbs: Record<string, string> = {
  chmod: 'change',
  chown: 'change',
  close: 'write',
  fchmod: 'change',
  fsync: 'write',
  ftruncate: 'write',
  link: 'make',
  mkdir: 'make',
  mkdtemp: 'make',
  open: 'open',
  rename: 'replace',
  rm: 'remove',
  rmdir: 'remove',
  scandir: 'read',
  symlink: 'make',
  unlink: 'remove',
  utime: 'change',
  write: 'write',
};

/** What a person can change at the disk or at the directory. Other failures are ours to explain. */
const codes = ['EACCES', 'EDQUOT', 'EIO', 'EISDIR', 'ENOSPC', 'ENOTDIR', 'EPERM', 'EROFS'];

/** Node's error of a call for one of our own files, such as a record or a lock, as {@link localError}; any other as it is. */
export function ownFileError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof GomoteError) return error;
  const { syscall, path, dest } = error as NodeJS.ErrnoException & { dest?: string };
  const verb = verbs[syscall ?? ''];
  const file = dest ?? path;
  if (verb === undefined || file === undefined) return error;
  if (!isErrno(error, ...codes)) return error;
  return localError(verb, file, error);
}

/** Adds the path to Node's error: that of a write, such as on a full disk, has none. */
export function withPath(error: unknown, path: string): unknown {
  if (error instanceof Error && errnoOf(error) !== undefined && !('path' in error)) {
    Object.assign(error, { path });
  }
  return error;
}
