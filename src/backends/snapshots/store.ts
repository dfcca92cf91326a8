// Stores snapshots in a directory of the user: each is a directory, which gets its name when it is complete.
import { randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, renameSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { GomoteError, isErrno, isGomoteError } from '../../errors.ts';
import { hasPrivateDirectory, makePrivateDirectory } from '../../files/private-directory.ts';
import { readOwnFile } from '../../files/private-file.ts';
import { trySignal } from '../../files/process-file.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { syncDirectory, writeWhole } from '../../files/write-whole.ts';
import {
  checkTag,
  isTag,
  parseRecord,
  type Snapshot,
  type SnapshotRecord,
  unknownSnapshot,
} from '../../protocol/snapshot.ts';

const what = 'the directory of snapshots';
const recordName = 'snapshot.json';

/** The name of a directory that is being filled or removed, with the id of the process: a reused id only keeps it a little longer. */
const partial = /^\.(?:new|old)-([0-9]+)-[0-9a-f]{16}$/;

/** Removes what a snapshot has outside of its directory. When it fails, the directory stays. */
export type BeforeRemoval = (directory: string) => Promise<void>;

export class SnapshotStore {
  /** The directory of all of them. */
  readonly root: string;
  readonly #beforeRemoval: BeforeRemoval;

  constructor(root: string, beforeRemoval: BeforeRemoval = async () => undefined) {
    this.root = root;
    this.#beforeRemoval = beforeRemoval;
  }

  /** The complete snapshots, by name. */
  list(): Snapshot[] {
    if (!hasPrivateDirectory(this.root, what)) return [];
    const names = readdirSync(this.root).filter(isTag).sort();
    return names.flatMap((tag) => this.find(tag) ?? []);
  }

  /** Undefined when it does not exist or cannot be read. */
  find(tag: string): Snapshot | undefined {
    checkTag(tag);
    if (!hasPrivateDirectory(this.root, what)) return undefined;
    const path = join(this.directory(tag), recordName);
    try {
      const record = parseRecord(readOwnFile(path));
      return record && { ...record, tag, used: statSync(path).mtime };
    } catch {
      return undefined;
    }
  }

  /** Whether the name is taken by something that is no complete snapshot, or that a newer version has made. */
  isUnreadable(tag: string): boolean {
    if (this.find(tag) !== undefined) return false;
    return lstatSync(this.directory(tag), { throwIfNoEntry: false }) !== undefined;
  }

  /** What has the name of a snapshot and cannot be read: it takes room, too. */
  unreadable(): { tag: string; storedBytes: number; used: Date }[] {
    if (!hasPrivateDirectory(this.root, what)) return [];
    return readdirSync(this.root).flatMap((tag) => {
      if (!isTag(tag) || !this.isUnreadable(tag)) return [];
      const directory = this.directory(tag);
      const sizes = namesIn(directory).map((name) => sizeOf(join(directory, name)));
      const storedBytes = sizes.reduce((sum, size) => sum + size, sizeOf(directory));
      const used = lstatSync(directory, { throwIfNoEntry: false })?.mtime ?? new Date(0);
      return [{ tag, storedBytes, used }];
    });
  }

  /** Throws ERR_UNKNOWN_SNAPSHOT. */
  get(tag: string): Snapshot {
    const found = this.find(tag);
    if (found !== undefined) return found;
    throw unknownSnapshot(tag);
  }

  /** The directory with the archives of a snapshot. */
  directory(tag: string): string {
    return join(this.root, tag);
  }

  /**
   * Creates a snapshot: `fill` writes its archives into a directory, and returns the metadata. Leaves nothing when that fails.
   *
   * @param last Called once all is written, with what gives the snapshot its name.
   * @throws GomoteError ERR_CONFLICT when the name is taken.
   */
  async add(
    tag: string,
    fill: (directory: string) => Promise<Omit<SnapshotRecord, 'version' | 'created'>>,
    last = async (_: SnapshotRecord, name: () => Promise<Snapshot>) => await name(),
  ): Promise<Snapshot> {
    this.checkFree(tag);
    makePrivateDirectory(this.root, what, 'set XDG_STATE_HOME');
    await this.sweep();
    const directory = this.partial('new');
    mkdirSync(directory, { mode: 0o700 });
    try {
      const filled = await fill(directory);
      const record: SnapshotRecord = { version: 1, created: new Date().toISOString(), ...filled };
      await writeWhole(join(directory, recordName), JSON.stringify(record));
      await syncDirectory(directory);
      return await last(record, async () => {
        this.checkFree(tag);
        renameSync(directory, this.directory(tag));
        await syncDirectory(this.root);
        return this.get(tag);
      });
    } catch (error) {
      await this.#removePartial(directory);
      if (isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw taken(tag);
      throw error;
    }
  }

  checkFree(tag: string): void {
    if (this.find(tag) !== undefined || this.isUnreadable(tag)) throw taken(tag);
  }

  /** Removes also one whose record cannot be read. Throws ERR_UNKNOWN_SNAPSHOT. */
  async remove(tag: string): Promise<void> {
    checkTag(tag);
    if (!hasPrivateDirectory(this.root, what)) throw unknownSnapshot(tag);
    await this.#beforeRemoval(this.directory(tag));
    const old = this.partial('old');
    try {
      renameSync(this.directory(tag), old);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw unknownSnapshot(tag);
      throw error;
    }
    await removeTree(old);
  }

  /** Removes whatever has the name, if anything has. */
  async clear(tag: string): Promise<void> {
    await this.remove(tag).catch(unlessUnknown);
  }

  /** Changes its record, and not when it was used last. Throws ERR_UNKNOWN_SNAPSHOT. */
  async change(tag: string, changes: Partial<SnapshotRecord>): Promise<Snapshot> {
    const { tag: _, used, ...record } = this.get(tag);
    const path = join(this.directory(tag), recordName);
    await writeWhole(path, JSON.stringify({ ...record, ...changes }));
    utimesSync(path, used, used);
    return this.get(tag);
  }

  /** Records the time of use. */
  use(tag: string): void {
    const now = new Date();
    utimesSync(join(this.directory(tag), recordName), now, now);
  }

  /** Removes the least recently used of the automatic snapshots. */
  async prune(keptCount: number, keptBytes: number): Promise<void> {
    let bytes = 0;
    const automatic = this.list()
      .filter(({ isAutomatic }) => isAutomatic)
      .sort((a, b) => b.used.getTime() - a.used.getTime());
    for (const [at, { tag, storedBytes }] of automatic.entries()) {
      bytes += storedBytes;
      if (at < keptCount && bytes <= keptBytes) continue;
      await this.clear(tag);
    }
  }

  /**
   * Removes the remains of processes that were killed while creating or removing a snapshot.
   *
   * @param isAlone Whether no other process uses the directory: a number may be another process's by now, or this one's.
   */
  async sweep(isAlone = false): Promise<void> {
    if (!hasPrivateDirectory(this.root, what)) return;
    for (const name of readdirSync(this.root)) {
      const pid = partial.exec(name)?.[1];
      if (pid === undefined || (!isAlone && trySignal(Number(pid), 0))) continue;
      await this.#removePartial(join(this.root, name));
    }
  }

  /** What cannot be removed now is left to a later sweep. */
  async #removePartial(directory: string): Promise<void> {
    try {
      await this.#beforeRemoval(directory);
    } catch {
      return;
    }
    await removeTree(directory);
  }

  /** A new name for a directory that is being filled or removed: what is left of it is removed when this process has ended. */
  partial(kind: 'new' | 'old'): string {
    return join(this.root, `.${kind}-${process.pid}-${randomBytes(8).toString('hex')}`);
  }
}

export function unlessUnknown(error: unknown): void {
  if (!isGomoteError(error, 'ERR_UNKNOWN_SNAPSHOT')) throw error;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

const sizeOf = (path: string): number => lstatSync(path, { throwIfNoEntry: false })?.size ?? 0;

const taken = (tag: string): GomoteError =>
  new GomoteError('ERR_CONFLICT', `there is a snapshot "${tag}" already`, {
    hint: `give another name, or run gomote snapshot remove ${tag}`,
  });
