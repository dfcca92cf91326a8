// The record of a pushed tree on disk. What a change may create is recorded before it begins, so that a
// killed buildlet can still tell pushed files from build output.
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { errnoOf, isErrno } from '../../errors.ts';
import { ifThere } from '../../files/if-there.ts';
import type { OpenDirectory } from '../../files/open-directory.ts';
import { readFlags } from '../../files/open-flags.ts';
import { reachDirectory } from '../../files/reach.ts';
import { bytesOfName, nameFromBytes } from '../../protocol/name-bytes.ts';
import {
  decodeRecord,
  encodeRecord,
  type PushRecord,
  pendingSuffix,
  recordName,
  recordsDirectory,
} from '../../protocol/push-record.ts';
import { decodeChanges } from '../../protocol/tree-change.ts';
import { comparePaths, type TreeEntry } from '../../protocol/tree-entry.ts';

/**
 * Does something in the directory of records, held open: a command may have replaced it by a link. Undefined when there is none,
 * unless it `isMade`. Throws ERR_PATH when it leads out of the work directory.
 */
export function inRecords<T>(
  workDir: string,
  use: (records: OpenDirectory) => T,
  { isMade = false } = {},
): T | undefined {
  let records: OpenDirectory;
  try {
    const make = isMade ? { make: { mode: 0o700, all: true } } : {};
    records = reachDirectory(workDir, recordsDirectory, make);
  } catch (error) {
    if (!isMade && isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
  try {
    return use(records);
  } finally {
    records.close();
  }
}

export class RecordFile {
  readonly #workDir: string;
  readonly #name: string;
  readonly #dir: string;

  constructor(workDir: string, dir: string) {
    this.#workDir = workDir;
    this.#dir = dir;
    this.#name = recordName(dir);
  }

  /** Whether there is one, finished or pending. */
  get exists(): boolean {
    const names = [this.#name, this.#name + pendingSuffix];
    const isThere = inRecords(this.#workDir, (records) =>
      names.some((name) => lstatSync(records.at(name), { throwIfNoEntry: false }) !== undefined),
    );
    return isThere === true;
  }

  /** Undefined when nothing was pushed, or the record is unreadable. */
  load(): PushRecord | undefined {
    const names = [this.#name, this.#name + pendingSuffix];
    const [text, pending] =
      inRecords(this.#workDir, (records) => names.map((name) => readRecord(records.at(name)))) ??
      [];
    const record = text === undefined ? undefined : decodeRecord(text);
    const changes = pending === undefined ? undefined : decodeChanges(pending);
    if (changes === undefined) return record;
    const entries = new Map<string, TreeEntry>();
    for (const entry of record?.entries ?? []) entries.set(entry.path, entry);
    for (const change of changes) {
      if (change.op === 'write') entries.set(change.entry.path, change.entry);
    }
    const sorted = [...entries.values()].sort((a, b) => comparePaths(a.path, b.path));
    return { dir: this.#dir, entries: sorted };
  }

  /** Call before a change, or before the next part of one: `head` names everything that it may create. */
  expect(head: Uint8Array, part: 'first' | 'next'): void {
    const flag = part === 'first' ? 'w' : 'a';
    const write = (records: OpenDirectory) =>
      writeRecord(records.at(this.#name + pendingSuffix), head, flag);
    inRecords(this.#workDir, write, { isMade: true });
  }

  /** Call after a change, even a failed one. Returns false when somebody has removed the record meanwhile. */
  save(entries: readonly TreeEntry[]): boolean {
    const save = (records: OpenDirectory): boolean => {
      const [path, partial] = [records.at(this.#name), records.at(`${this.#name}.new`)];
      writeRecord(partial, bytesOfName(encodeRecord({ dir: this.#dir, entries })), 'w');
      renameSync(partial, path);
      try {
        unlinkSync(records.at(this.#name + pendingSuffix));
        return true;
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw error;
        rmSync(path, { force: true });
        return false;
      }
    };
    return inRecords(this.#workDir, save, { isMade: true }) === true;
  }
}

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_TRUNC, O_WRONLY } = constants;

/** Does not follow links: their targets are not ours. */
export function writeRecord(at: string, content: Uint8Array | string, flag: 'w' | 'a'): void {
  const how = flag === 'w' ? O_TRUNC : O_APPEND;
  const fd = openSync(at, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | how, 0o600);
  try {
    writeFileSync(fd, content);
  } finally {
    closeSync(fd);
  }
}

/** Undefined when it does not exist, or is a link. */
export function readRecord(path: string): string | undefined {
  const fd = ifThere(() => openSync(path, readFlags), 'ENOTDIR', 'ELOOP');
  if (fd === undefined) return undefined;
  try {
    return nameFromBytes(readFileSync(fd));
  } finally {
    closeSync(fd);
  }
}

/** The directories that trees were pushed into. */
export function pushedDirectories(workDir: string): string[] {
  const dirs = inRecords(workDir, (records) =>
    readdirSync(records.self).flatMap((name) => {
      const text = name.includes('.') ? undefined : readRecord(records.at(name));
      const dir = text === undefined ? undefined : decodeRecord(text)?.dir;
      return dir !== undefined && recordName(dir) === name ? [dir] : [];
    }),
  );
  return (dirs ?? []).sort();
}
