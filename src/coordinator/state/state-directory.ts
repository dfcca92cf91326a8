// The state directory of a coordinator: used by one coordinator at a time, in a numbered format.
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { GomoteError, isErrno } from '../../errors.ts';
import { type LockHolder, takeFileLock } from '../../files/file-lock.ts';
import { reasonOf } from '../../files/local-error.ts';
import { makePrivateDirectory } from '../../files/private-directory.ts';
import { writeWhole } from '../../files/write-whole.ts';

interface StateDirectory {
  readonly path: string;
  readonly sessionsPath: string;
  readonly usersPath: string;
  /** Releases the directory for the next coordinator. */
  release(): Promise<void>;
}

/** The format that this version writes. */
export const stateFormat = 1;

/** What turns a directory of each format into one of the next. */
const migrations: Readonly<Record<number, (path: string) => Promise<void>>> = {
  // Before there was a number: a directory without users or sessions.
  0: async () => undefined,
};

export const usersPathOf = (path: string): string => join(path, 'users.json');

/** Makes the directory or brings it to this version's format. Safe beside a running coordinator. */
export async function prepareStateDirectory(path: string): Promise<void> {
  makePrivateDirectory(resolve(path), 'the state directory');
  makePrivateDirectory(resolve(path, 'sessions'), 'the directory of sessions');
  let format = await readFormat(path);
  if (format > stateFormat) {
    throw new GomoteError(
      'ERR_CONFIG',
      `the state directory ${path} has format ${format}, and this version knows ${stateFormat}`,
      { hint: 'run a newer version, or give another directory' },
    );
  }
  for (; format < stateFormat; format++) {
    await migrations[format]?.(path);
    await writeWhole(formatPath(path), `${JSON.stringify({ format: format + 1 })}\n`);
  }
}

interface OpenOptions {
  /** Ends the wait for another machine's coordinator. */
  readonly signal?: AbortSignal | undefined;
  /** The directory is another machine's; it is waited for. */
  readonly onWaiting?: ((host: string) => void) | undefined;
  /** Another machine's coordinator has taken the directory over. */
  readonly onLost?: (() => void) | undefined;
}

/** Prepares the directory and takes it for this process. Throws ERR_CONFIG while another process here has it. */
export async function openStateDirectory(
  path: string,
  { signal, onWaiting, onLost }: OpenOptions = {},
): Promise<StateDirectory> {
  await prepareStateDirectory(path);
  const onHeld = ({ host, pid }: LockHolder) => {
    if (pid === undefined) return onWaiting?.(host ?? 'another machine');
    throw new GomoteError('ERR_CONFIG', `process ${pid} already serves from ${path}`, {
      hint: 'end it first, or give another state directory',
    });
  };
  const release = await takeFileLock(join(path, 'lock'), { signal, onHeld, onLost });
  return {
    path,
    sessionsPath: join(path, 'sessions'),
    usersPath: usersPathOf(path),
    release,
  };
}

const formatPath = (path: string): string => join(path, 'format.json');

async function readFormat(path: string): Promise<number> {
  const format = await readStateFile(formatPath(path), (value: { format?: unknown }) => {
    if (typeof value.format === 'number') return value.format;
    throw new Error('it has no format number');
  });
  return format ?? 0;
}

/** What is in a JSON file of the directory; undefined where there is none. Throws ERR_CONFIG when it cannot be read. */
export async function readStateFile<Value, T>(
  path: string,
  parse: (value: Value) => T,
  hint?: string,
): Promise<T | undefined> {
  try {
    return parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    const message = `cannot read ${path}: ${reasonOf(error)}`;
    throw new GomoteError('ERR_CONFIG', message, { hint, cause: error });
  }
}
