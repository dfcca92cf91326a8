// The record of a pushed tree on disk. What may be made of a change is written down before the change begins, so that a
// buildlet that was killed still knows what is not its builds' own.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../../errors.ts';
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

export class RecordFile {
  readonly #directory: string;
  readonly #path: string;

  readonly #dir: string;

  constructor(workDir: string, dir: string) {
    this.#dir = dir;
    this.#directory = join(workDir, recordsDirectory);
    this.#path = join(this.#directory, recordName(dir));
  }

  /** Whether there is one, finished or pending. */
  get exists(): boolean {
    return existsSync(this.#path) || existsSync(this.#path + pendingSuffix);
  }

  /** Undefined when nothing was pushed, or nothing readable is there. */
  load(): PushRecord | undefined {
    const text = read(this.#path);
    const record = text === undefined ? undefined : decodeRecord(text);
    const pending = read(this.#path + pendingSuffix);
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

  /** Before a change, or before the next part of one that has begun: `head` names all that it may make. */
  expect(head: Uint8Array, part: 'first' | 'next'): void {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const flag = part === 'first' ? 'w' : 'a';
    writeFileSync(this.#path + pendingSuffix, head, { mode: 0o600, flag });
  }

  /** After a change, also one that failed. False, and nothing is there, when somebody has removed the record meanwhile. */
  save(entries: readonly TreeEntry[]): boolean {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    writeFileSync(`${this.#path}.new`, bytesOfName(encodeRecord({ dir: this.#dir, entries })), {
      mode: 0o600,
    });
    renameSync(`${this.#path}.new`, this.#path);
    try {
      rmSync(this.#path + pendingSuffix);
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      rmSync(this.#path, { force: true });
      return false;
    }
  }
}

function read(path: string): string | undefined {
  try {
    return nameFromBytes(readFileSync(path));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** The directories that trees were pushed into. */
export function pushedDirectories(workDir: string): string[] {
  const directory = join(workDir, recordsDirectory);
  const names = existsSync(directory) ? readdirSync(directory) : [];
  const dirs = names.flatMap((name) => {
    const text = name.includes('.') ? undefined : read(join(directory, name));
    const dir = text === undefined ? undefined : decodeRecord(text)?.dir;
    return dir !== undefined && recordName(dir) === name ? [dir] : [];
  });
  return dirs.sort();
}
