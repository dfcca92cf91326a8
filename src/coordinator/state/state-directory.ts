// Where a coordinator keeps what it knows: one directory, of one coordinator at a time, in a format with a number.
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { makePrivateDirectory } from '../../files/private-directory.ts';
import { writeWhole } from '../../files/write-whole.ts';
import { type LockOptions, takeLock } from './state-lock.ts';

export interface StateDirectory {
  readonly path: string;
  readonly sessionsPath: string;
  readonly usersPath: string;
  /** Gives up the directory for the next coordinator. */
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

/** Prepares the directory and takes it for this process, as `takeLock` says. */
export async function openStateDirectory(
  path: string,
  options: LockOptions = {},
): Promise<StateDirectory> {
  await prepareStateDirectory(path);
  const release = await takeLock(join(path, 'lock'), options);
  return {
    path,
    sessionsPath: join(path, 'sessions'),
    usersPath: usersPathOf(path),
    release,
  };
}

const formatPath = (path: string): string => join(path, 'format.json');

async function readFormat(path: string): Promise<number> {
  try {
    const value: { format?: unknown } = JSON.parse(await readFile(formatPath(path), 'utf8'));
    if (typeof value.format === 'number') return value.format;
    throw new Error('it has no format number');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw new GomoteError('ERR_CONFIG', `cannot read ${formatPath(path)}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
