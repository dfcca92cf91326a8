// The files of a local buildlet, in its own directory: a record, its password, its socket, its log.
//
// The files are tiny, and every command reads them first: it does so without Node's promises for files, which take
// longer to load.
import { basename, dirname, isAbsolute, join } from 'node:path';
import { GomoteError, isErrno, isGomoteError } from '../../errors.ts';
import { reasonOf } from '../../files/local-error.ts';
import { hasPrivateDirectory } from '../../files/private-directory.ts';
import { readOwnFile } from '../../files/private-file.ts';
import { replaceFile } from '../../files/replace-file.ts';
import type { Labels } from '../../protocol/labels.ts';
import type { Instance } from '../backend.ts';

export interface LocalRecord {
  readonly name: string;
  /** The owner; absent in records of earlier versions. */
  readonly owner?: string | undefined;
  readonly builderType: string;
  readonly hostType: string;
  /** RFC 3339. */
  readonly created: string;
  readonly socket: string;
  readonly workDir: string;
  readonly labels?: Labels | undefined;
  /** Whose caches it has been given. */
  readonly cachesOf?: string | undefined;
  /** The user that it and its commands run as. Absent: the one that created it. */
  readonly uid?: number | undefined;
  /** Whether its commands run in no sandbox, and with this machine's network. Absent: unknown. */
  readonly isUnconfined?: boolean | undefined;
  /** Absent until its process was started. */
  readonly pid?: number | undefined;
}

/** The owner of a buildlet: from its record, or from the prefix of its name. */
export const ownerOf = ({ owner, name, builderType }: LocalRecord): string =>
  owner ?? name.slice(0, Math.max(0, name.lastIndexOf(`-${builderType}-`)));

export const passwordPath = (directory: string): string => join(directory, 'password');

/** The buildlet's password; empty when its file is gone. */
export function readPassword(directory: string): string {
  try {
    return readOwnFile(passwordPath(directory)).trim();
  } catch (error) {
    if (isGomoteError(error)) throw error;
    return '';
  }
}

/** The directory that contains the files of a buildlet outside its own directory: for some only the work directory. */
export const filesOf = ({ workDir }: Pick<LocalRecord, 'workDir'>): string =>
  basename(workDir) === 'work' ? dirname(workDir) : workDir;

/**
 * What it shares with its client: the directory where it takes files that are put there, and its network. One of another user
 * shares nothing: as root, nothing is written where that user could put a link.
 */
export const sharedWith = (record: LocalRecord) =>
  record.uid === undefined
    ? { sharedDirectory: filesOf(record), isUnconfinedHere: record.isUnconfined === true }
    : {};

export const logPath = (directory: string): string => join(directory, 'log');
const recordPath = (directory: string): string => join(directory, 'record.json');

/** Writes the record atomically. */
export function writeRecord(directory: string, record: LocalRecord): void {
  replaceFile(recordPath(directory), `${JSON.stringify(record, undefined, 2)}\n`);
}

/** The record in `directory`; undefined when there is none. Throws when another user could have written it. */
export function readRecord(directory: string): LocalRecord | undefined {
  if (!hasPrivateDirectory(directory, 'the directory of a local buildlet')) return undefined;
  const path = recordPath(directory);
  try {
    return checkRecord(directory, JSON.parse(readOwnFile(path)));
  } catch (error) {
    if (isGomoteError(error)) throw error;
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw new GomoteError('ERR_LOCAL_FILE', `cannot read ${path}: ${reasonOf(error)}`, {
      hint: 'remove its directory',
      cause: error,
    });
  }
}

/** Destroying a buildlet removes the paths in its record: they must have the form of a buildlet's. */
function checkRecord(directory: string, value: unknown): LocalRecord {
  const record = value as Partial<LocalRecord> | null;
  const texts = [record?.builderType, record?.hostType, record?.created];
  const isOurs =
    record?.name === basename(directory) &&
    texts.every((text) => typeof text === 'string') &&
    ['string', 'undefined'].includes(typeof record.owner) &&
    ['string', 'undefined'].includes(typeof record.cachesOf) &&
    ['object', 'undefined'].includes(typeof record.labels) &&
    ['boolean', 'undefined'].includes(typeof record.isUnconfined) &&
    isAbsolute(String(record.workDir)) &&
    basename(filesOf({ workDir: String(record.workDir) })).startsWith(`gomote-${record.name}-`) &&
    isAbsolute(String(record.socket)) &&
    (dirname(String(record.socket)) === directory ||
      basename(dirname(String(record.socket))).startsWith('gomote-')) &&
    (record.uid === undefined || (Number.isSafeInteger(record.uid) && record.uid > 0)) &&
    (record.pid === undefined || Number.isSafeInteger(record.pid));
  if (!isOurs) throw new Error('it is not the record of a buildlet');
  // In a world-writable directory, another user could have replaced a removed one.
  hasPrivateDirectory(dirname(String(record.socket)), "the directory of a buildlet's socket");
  return record as LocalRecord;
}

/** The entry for a buildlet with a damaged record, so that the others are still listed. */
export const unreadable = (name: string): Instance => ({
  name,
  builderType: '',
  hostType: '',
  created: undefined,
  expires: undefined,
  dead: 'its record cannot be read',
});
