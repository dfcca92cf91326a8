// Files whose content is trusted or secret.
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from 'node:fs';
import { GomoteError, isGomoteError } from '../errors.ts';
import { reasonOf } from './local-error.ts';
import { readFlags } from './open-flags.ts';

/**
 * The text of a file that no other user can have written. A link in its place is not followed. Throws ERR_CONFIG for
 * another user's file, and as `open` does.
 */
export const readOwnFile = (path: string): string =>
  readChecked(path, readFlags, (found) => {
    const problem = whyUntrusted(found);
    return problem === undefined ? undefined : { problem, hint: 'remove it' };
  }).toString();

/**
 * The bytes of a file that a person keeps, such as a configuration; it may be a link to one. Throws ERR_CONFIG when another
 * user but root can have written it, and as `open` does.
 */
export const readTrustedFile = (path: string): Buffer =>
  // Opening a FIFO would block, and a device may never end.
  readChecked(path, constants.O_RDONLY | constants.O_NONBLOCK, (found) => {
    const problem = whyUntrusted(found);
    const isOurs = found.isFile() && foreign(found) === undefined;
    const hint = isOurs ? `chmod go-w ${path}` : 'put a file of your own in its place';
    return problem === undefined ? undefined : { problem, hint };
  });

/** The bytes of a file that a person has named. Throws for a FIFO or a device, which may never end, and as `open` and `read` do. */
export const readRegularFile = (path: string): Buffer =>
  readChecked(path, constants.O_RDONLY | constants.O_NONBLOCK, (found) => {
    if (found.isFile() || found.isDirectory()) return undefined;
    throw new Error('it is not a regular file');
  });

/**
 * The text of a file with a secret that a person has named; it may be a link or a pipe. Throws ERR_CONFIG when it is not
 * this user's or root's, or when others can read or write it, and as `open` does.
 */
export const readSecretFile = (path: string): string =>
  readChecked(path, constants.O_RDONLY, (found) => {
    const owner = foreign(found);
    const problem = owner ?? openTo(found, othersOf(found), 'can be read by others');
    if (problem === undefined) return undefined;
    const octal = (found.mode & 0o777).toString(8).padStart(4, '0');
    const chown = owner === undefined ? '' : `chown ${process.getuid?.()} ${path}; `;
    return { problem: `${problem} (mode ${octal})`, hint: `${chown}chmod 600 ${path}` };
  }).toString();

/** Reads the file, unless `check` finds a problem. */
function readChecked(
  path: string,
  flags: number,
  check: (found: Stats) => { problem: string; hint: string } | undefined,
): Buffer {
  const fd = openSync(path, flags);
  try {
    const found = check(fstatSync(fd));
    if (found === undefined) return readFileSync(fd);
    throw new GomoteError('ERR_CONFIG', `${path} ${found.problem}`, { hint: found.hint });
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
    const message = `${what}: cannot read "${path}": ${reasonOf(error)}`;
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

/** Why others may have written the file. */
const whyUntrusted = (found: Stats): string | undefined =>
  found.isFile()
    ? (foreign(found) ?? openTo(found, 0o022, 'can be changed by others'))
    : 'is not a file';

function foreign({ uid }: Stats): string | undefined {
  const own = process.getuid?.();
  if (own === undefined || uid === own || uid === 0) return undefined;
  return `belongs to another user (uid ${uid})`;
}

const openTo = ({ mode }: Stats, bits: number, problem: string): string | undefined =>
  process.getuid !== undefined && (mode & bits) !== 0 ? problem : undefined;
