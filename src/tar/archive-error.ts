// The error messages of packing and unpacking, most of them as in Go's buildlet.
import { errnoOf, GomoteError } from '../errors.ts';
import { fullFileSystem } from '../files/mount-point.ts';
import { quoted } from '../printable.ts';
import { errnoText } from '../protocol/process-state.ts';

const refuse = (message: string, cause?: unknown): GomoteError =>
  new GomoteError('ERR_ARCHIVE', message, cause === undefined ? {} : { cause });

/** Longer names are cut: a name in an archive can be a megabyte long. */
const maxShown = 1000;

const cut = (name: string): string =>
  name.length > maxShown ? `${name.slice(0, maxShown)}…` : name;

/** The name, quoted when it would break the line. */
const shown = (name: string): string => (/\p{Cc}/u.test(name) ? quoted(cut(name)) : cut(name));

const inEntry = (entry: string | undefined): string =>
  entry === undefined ? '' : ` in ${shown(entry)}`;

export const archiveErrors = {
  notGzip: () => refuse('requires gzip-compressed body: gzip: invalid header'),
  gzipHeaderCut: () => refuse('requires gzip-compressed body: unexpected EOF'),
  cutShort: (entry: string | undefined, cause?: unknown) =>
    refuse(`tar error: unexpected EOF${inEntry(entry)}`, cause),
  corrupt: (reason: string, entry: string | undefined, cause: unknown) =>
    refuse(`tar error: ${reason}${inEntry(entry)}`, cause),
  invalidHeader: (after: string | undefined) =>
    refuse(
      `tar error: archive/tar: invalid tar header${after === undefined ? '' : ` after ${shown(after)}`}`,
    ),
  headerTooLong: () => refuse('tar error: archive/tar: header field too long'),
  tooMany: () =>
    refuse('the archive has more directories and links than are taken at a time; send it in parts'),
  invalidName: (name: string) => refuse(`tar file contained invalid name ${quoted(cut(name))}`),
  unsupportedType: (name: string, type: string) =>
    refuse(`tar file entry ${shown(name)} contained unsupported file type ${type}`),
  /** Any other reason to refuse an entry. */
  entry: (name: string, reason: string) => refuse(`tar file entry ${shown(name)}: ${reason}`),
  unpackable: (path: string, reason: string) => refuse(`${shown(path)}: ${reason}`),
};

/**
 * A system call that failed here, for the entry or path `subject`; an error that says so already stays. `place`: what is written
 * to, for the message of a full disk.
 */
export function localFileError(subject: string, error: unknown, place?: string): GomoteError {
  if (error instanceof GomoteError) return error;
  const code = errnoOf(error);
  const reason = code === undefined ? String(error) : errnoText(code);
  const full = place === undefined ? '' : fullFileSystem(code, place);
  return new GomoteError('ERR_LOCAL_FILE', `${shown(subject)}: ${reason}${full}`, { cause: error });
}

/** The refusal of a symbolic link whose target is outside the work directory. */
export const outsideLinkError = (path: string, target: string): Error =>
  archiveErrors.entry(
    path,
    `the symbolic link to ${quoted(target)} leads out of the work directory`,
  );

/** Makes system calls for an entry; an error names the entry, and of `place`, that is written to, a file system that is full. */
export function withErrorsOf<T>(path: string, calls: () => T, place?: string): T {
  try {
    return calls();
  } catch (error) {
    throw localFileError(path, error, place);
  }
}

/** The system's errors that concern only one name or place. */
const ofOneEntry = new Set([
  'EACCES',
  'EEXIST',
  'EILSEQ',
  'EINVAL',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'ENOENT',
  'ENOTDIR',
  'ENOTEMPTY',
  'EPERM',
  'ETXTBSY',
]);

/** Whether only this entry fails. */
export const isOfOneEntry = (error: unknown): boolean =>
  error instanceof GomoteError &&
  (error.code === 'ERR_CONFLICT' || ofOneEntry.has(errnoOf(error.cause) ?? ''));

export function abortError(what: string, signal: AbortSignal): GomoteError {
  return new GomoteError('ERR_ABORTED', `${what} was aborted`, { cause: signal.reason });
}
