// Files whose content is trusted or secret.
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { readFlags } from './open-flags.ts';

/**
 * The text of a file that no other user can have written. A link in its place is not followed. Throws ERR_CONFIG for
 * another user's file, and as `open` does.
 */
export function readOwnFile(path: string): string {
  // Opening a FIFO would block.
  const fd = openSync(path, readFlags);
  try {
    const found = fstatSync(fd);
    const problem = !found.isFile()
      ? 'is not a file'
      : (foreign(found) ?? openTo(found, 0o022, 'can be changed by others'));
    if (problem === undefined) return readFileSync(fd, 'utf8');
    throw new GomoteError('ERR_CONFIG', `${path} ${problem}`, { hint: 'remove it' });
  } finally {
    closeSync(fd);
  }
}

/**
 * The bytes of a file that a person keeps, such as a configuration; it may be a link to one. Throws ERR_CONFIG when another
 * user but root can have written it, and as `open` does.
 */
export function readTrustedFile(path: string): Buffer {
  // Opening a FIFO would block, and a device may never end.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const found = fstatSync(fd);
    const problem = found.isFile() ? foreign(found) : 'is not a file';
    const isOpen = openTo(found, 0o022, 'can be changed by others');
    if (problem === undefined && isOpen === undefined) return readFileSync(fd);
    throw new GomoteError('ERR_CONFIG', `${path} ${problem ?? isOpen}`, {
      hint: problem === undefined ? `chmod go-w ${path}` : 'put a file of your own in its place',
    });
  } finally {
    closeSync(fd);
  }
}

/**
 * The text of a file with a secret that a person has named; it may be a link or a pipe. Throws ERR_CONFIG when it is not
 * this user's or root's, or when others can read or write it, and as `open` does.
 */
export function readSecretFile(path: string): string {
  const fd = openSync(path, 'r');
  try {
    const found = fstatSync(fd);
    const owner = foreign(found);
    const problem = owner ?? openTo(found, othersOf(found), 'can be read by others');
    if (problem === undefined) return readFileSync(fd, 'utf8');
    const octal = (found.mode & 0o777).toString(8).padStart(4, '0');
    throw new GomoteError('ERR_CONFIG', `${path} ${problem} (mode ${octal})`, {
      hint: `${owner === undefined ? '' : `chown ${process.getuid?.()} ${path}; `}chmod 600 ${path}`,
    });
  } finally {
    closeSync(fd);
  }
}

/** Like {@link readSecretFile}, but also throws ERR_CONFIG when the file cannot be read. `what` names the setting with its path. */
export function readNamedSecret(what: string, path: string): string {
  try {
    return readSecretFile(path);
  } catch (error) {
    if (isGomoteError(error)) {
      throw new GomoteError('ERR_CONFIG', `${what}: ${error.message}`, { hint: error.hint });
    }
    const message = `${what}: cannot read "${path}": ${messageOf(error)}`;
    throw new GomoteError('ERR_CONFIG', message, { cause: error });
  }
}

/**
 * The permissions that would open a secret to others. What root gives to a service is readable by the service's group,
 * such as a mounted Secret of Kubernetes. Group 0 gives root nothing that it does not have.
 */
function othersOf({ uid, gid }: Stats): number {
  const isOfGroup = gid === process.getegid?.() || process.getgroups?.().includes(gid) === true;
  const isGiven = uid === 0 && isOfGroup && (gid !== 0 || process.getuid?.() !== 0);
  return isGiven ? 0o037 : 0o077;
}

function foreign({ uid }: Stats): string | undefined {
  const own = process.getuid?.();
  if (own === undefined || uid === own || uid === 0) return undefined;
  return `belongs to another user (uid ${uid})`;
}

const openTo = ({ mode }: Stats, bits: number, problem: string): string | undefined =>
  process.getuid !== undefined && (mode & bits) !== 0 ? problem : undefined;
