// What is kept of a local buildlet, in a directory of its own: a record, its password, its socket, its log.
//
// The files are tiny, and every command reads them first: it does so without Node's promises for files, which take
// longer to load.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { errnoOf, GomoteError, messageOf } from '../errors.ts';

export interface LocalRecord {
  readonly name: string;
  readonly builderType: string;
  readonly hostType: string;
  /** RFC 3339. */
  readonly created: string;
  readonly socket: string;
  readonly workDir: string;
  /** Absent until its process has been started. */
  readonly pid?: number | undefined;
}

/** Where all local buildlets of a user have their directories. */
export function localRoot(environment: NodeJS.ProcessEnv): string {
  const runtime = environment.XDG_RUNTIME_DIR;
  if (runtime) return join(runtime, 'gomote');
  const home = environment.HOME || homedir();
  return join(environment.XDG_STATE_HOME || join(home, '.local', 'state'), 'gomote');
}

export const passwordPath = (directory: string): string => join(directory, 'password');

/** The buildlet's password; empty when its file is gone. */
export function readPassword(directory: string): string {
  try {
    return readFileSync(passwordPath(directory), 'utf8').trim();
  } catch {
    return '';
  }
}

export const logPath = (directory: string): string => join(directory, 'log');
const recordPath = (directory: string): string => join(directory, 'record.json');

/** Writes the record under its name only when it is whole. */
export function writeRecord(directory: string, record: LocalRecord): void {
  const partial = `${recordPath(directory)}.${process.pid}`;
  writeFileSync(partial, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(partial, recordPath(directory));
}

/** The record in `directory`; undefined when there is none. */
export function readRecord(directory: string): LocalRecord | undefined {
  const path = recordPath(directory);
  try {
    return checkRecord(directory, JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw new GomoteError('ERR_LOCAL_FILE', `cannot read ${path}: ${messageOf(error)}`, {
      hint: 'remove its directory',
      cause: error,
    });
  }
}

/** Destroying a buildlet removes the paths in its record: they must be such as were made for it. */
function checkRecord(directory: string, value: unknown): LocalRecord {
  const record = value as Partial<LocalRecord> | null;
  const texts = [record?.builderType, record?.hostType, record?.created];
  const isOurs =
    record?.name === basename(directory) &&
    texts.every((text) => typeof text === 'string') &&
    isAbsolute(String(record.workDir)) &&
    basename(String(record.workDir)).startsWith(`gomote-${record.name}-`) &&
    isAbsolute(String(record.socket)) &&
    (dirname(String(record.socket)) === directory ||
      basename(dirname(String(record.socket))).startsWith('gomote-')) &&
    (record.pid === undefined || Number.isSafeInteger(record.pid));
  if (!isOurs) throw new Error('it is not the record of a buildlet');
  return record as LocalRecord;
}
