// Snapshots in a directory of one user: each a directory, which has its name only when it is whole.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, GomoteError, isGomoteError } from '../../errors.ts';
import { hasPrivateDirectory, makePrivateDirectory } from '../../files/private-directory.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { syncDirectory, writeWhole } from '../../files/write-whole.ts';
import { checkTag, isTag, parseRecord, type Snapshot, type SnapshotRecord } from './record.ts';

const what = 'the directory of snapshots';
const recordName = 'snapshot.json';

/** The name of a directory that is being filled or removed, with the process that does it. */
const partial = /^\.(?:new|old)-([0-9]+)-[0-9a-f]{16}$/;

export class SnapshotStore {
  /** The directory of all of them. */
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Those that are whole, by their names. */
  list(): Snapshot[] {
    if (!hasPrivateDirectory(this.root, what)) return [];
    const names = readdirSync(this.root).filter(isTag).sort();
    return names.flatMap((tag) => this.find(tag) ?? []);
  }

  /** Undefined when there is none, or what is there cannot be read. */
  find(tag: string): Snapshot | undefined {
    checkTag(tag);
    if (!hasPrivateDirectory(this.root, what)) return undefined;
    const path = join(this.directory(tag), recordName);
    try {
      const record = parseRecord(readFileSync(path, 'utf8'));
      return record && { ...record, tag, used: statSync(path).mtime };
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
      throw error;
    }
  }

  /** Throws ERR_UNKNOWN_SNAPSHOT. */
  get(tag: string): Snapshot {
    const found = this.find(tag);
    if (found !== undefined) return found;
    throw new GomoteError('ERR_UNKNOWN_SNAPSHOT', `no snapshot "${tag}"`, {
      hint: 'gomote snapshot list shows those that there are',
    });
  }

  /** Where the archives of a snapshot are. */
  directory(tag: string): string {
    return join(this.root, tag);
  }

  /**
   * Makes one: `fill` writes its archives into a directory, and tells the rest. When that fails, nothing is left.
   *
   * @throws GomoteError ERR_CONFLICT when there is one of that name.
   */
  async add(
    tag: string,
    fill: (directory: string) => Promise<Omit<SnapshotRecord, 'version' | 'created'>>,
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
      this.checkFree(tag);
      renameSync(directory, this.directory(tag));
      await syncDirectory(this.root);
      return this.get(tag);
    } catch (error) {
      await removeTree(directory);
      if (['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw taken(tag);
      throw error;
    }
  }

  checkFree(tag: string): void {
    if (this.find(tag) !== undefined) throw taken(tag);
  }

  /** Throws ERR_UNKNOWN_SNAPSHOT. */
  async remove(tag: string): Promise<void> {
    this.get(tag);
    const old = this.partial('old');
    try {
      renameSync(this.directory(tag), old);
    } catch (error) {
      // Somebody else has removed it meanwhile.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
    await removeTree(old);
  }

  /** Notes that it was used just now. */
  use(tag: string): void {
    const now = new Date();
    utimesSync(join(this.directory(tag), recordName), now, now);
  }

  /** Of those that were made by themselves, keeps the few that were used last. */
  async prune(keptCount: number, keptBytes: number): Promise<void> {
    let bytes = 0;
    const automatic = this.list()
      .filter(({ isAutomatic }) => isAutomatic)
      .sort((a, b) => b.used.getTime() - a.used.getTime());
    for (const [at, { tag, storedBytes }] of automatic.entries()) {
      bytes += storedBytes;
      if (at < keptCount && bytes <= keptBytes) continue;
      await this.remove(tag).catch((error: unknown) => {
        if (!isGomoteError(error, 'ERR_UNKNOWN_SNAPSHOT')) throw error;
      });
    }
  }

  /** Removes what processes have left that were killed while they made or removed one. */
  async sweep(): Promise<void> {
    if (!hasPrivateDirectory(this.root, what)) return;
    for (const name of readdirSync(this.root)) {
      const pid = partial.exec(name)?.[1];
      if (pid === undefined || isAlive(Number(pid))) continue;
      await removeTree(join(this.root, name));
    }
  }

  /** A new name for a directory that is being filled or removed: what is left of it is removed when this process has ended. */
  partial(kind: 'new' | 'old'): string {
    return join(this.root, `.${kind}-${process.pid}-${randomBytes(8).toString('hex')}`);
  }
}

const taken = (tag: string): GomoteError =>
  new GomoteError('ERR_CONFLICT', `there is a snapshot "${tag}" already`, {
    hint: `give another name, or run gomote snapshot remove ${tag}`,
  });

/** Whether there is such a process; a number that another has got by now keeps what was left a little longer. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}
