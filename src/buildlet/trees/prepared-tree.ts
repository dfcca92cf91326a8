// A copy of the tree that was pushed last, made ahead out of a store, where no tree is: the first push into an empty directory
// takes it, and sends what differs.
import { randomBytes } from 'node:crypto';
import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { chmodSync, lstatSync, readdirSync, renameSync } from '../../files/named-fs.ts';
import { openDirectory } from '../../files/open-directory.ts';
import { reachDirectory } from '../../files/reach.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { bytesOfName } from '../../protocol/name-bytes.ts';
import { encodeChanges, type TreeChange, type WriteChange } from '../../protocol/tree-change.ts';
import { type TreeEntry, timesDigest, treeDigest } from '../../protocol/tree-entry.ts';
import type { Contents } from '../../store/contents.ts';
import { lastTree } from '../../store/last-tree.ts';
import { takeStored } from '../../tree/stored-content.ts';
import { TreeWriter } from '../../tree/tree-writer.ts';
import { FileTimes } from './file-times.ts';
import type { PushedDirectory } from './held-tree.ts';
import type { RecordFile } from './record-file.ts';
import { inOrder, noteChange, type Sent, type Written } from './sent-entries.ts';

/** Larger trees are not copied ahead, and so much of the disk stays free: one part in N. */
const mostBytes = 4 * 1024 ** 3;
const keptFree = 10;
/** Of a directory that is missing; the umask applies. */
const madeMode = 0o755;
/** So many entries are made in a step. */
const stepEntries = 16;

export class PreparedTree {
  readonly #path: string;
  readonly #stage: string;
  #sent: Sent = { entries: new Map<string, TreeEntry>(), written: new Map<string, Written>() };
  #state: 'making' | 'ready' | 'dropped' = 'making';

  /** `stage` is a private directory that no command may change. */
  constructor(stage: string) {
    this.#stage = stage;
    this.#path = join(stage, randomBytes(8).toString('hex'));
  }

  /** Makes the copy, in short steps. What fails is left out. */
  *make(store: Contents): Generator<void, void, void> {
    const entries = lastTree(store);
    const bytes = entries.reduce((sum, { size }) => sum + size, 0);
    const { bavail, blocks, bsize } = statfsSync(this.#stage);
    const hasRoom = bavail * bsize - bytes > (blocks * bsize) / keptFree;
    if (entries.length === 0 || bytes > mostBytes || !hasRoom) return this.drop();
    const times = new FileTimes({ ranAtMs: 0, pushed: new Map() });
    const writer = new TreeWriter(this.#stage, this.#path.slice(this.#stage.length + 1), {
      onDone: (change, digest) => noteChange(this.#sent, change, digest, times),
    });
    try {
      const changes = entries.map((entry): WriteChange => ({ op: 'write', entry }));
      writer.begin(changes, Buffer.alloc(0));
      for (const [at, change] of changes.entries()) {
        if (at % stepEntries === 0) yield;
        if (this.#state === 'dropped') return;
        if (change.entry.kind === 'file') takeStored(change, store, writer);
        else writer.apply(change);
      }
      writer.finish();
      this.#sent = { ...this.#sent, entries: inOrder(this.#sent.entries) };
      this.#state = 'ready';
    } catch {
      this.#state = 'dropped';
    } finally {
      writer.abandon();
      if (this.#state !== 'ready') this.drop();
    }
  }

  /** What it is, once it is made. */
  get summary(): { digest: string; times: string } | undefined {
    if (this.#state !== 'ready') return undefined;
    const { entries } = this;
    return { digest: treeDigest(entries), times: timesDigest(entries) };
  }

  get entries(): TreeEntry[] {
    return [...this.#sent.entries.values()];
  }

  /** Moves everything into a directory, which is recorded. Throws ERR_CONFLICT when something there is in its way, or it cannot be moved. */
  moveInto({ workDir, dir }: PushedDirectory, record: RecordFile, sent: Sent): void {
    const from = openDirectory(this.#path);
    const to = reachDirectory(workDir, dir, { make: { mode: madeMode, all: true } });
    try {
      const names = readdirSync(from.self);
      if (names.some((name) => lstatSync(to.at(name), { throwIfNoEntry: false }) !== undefined)) {
        throw new GomoteError('ERR_CONFLICT', `${dir} is not empty`, { hint: 'push again' });
      }
      const changes = this.entries.map((entry): TreeChange => ({ op: 'write', entry }));
      record.expect(bytesOfName(encodeChanges(changes)), 'first');
      for (const [path, entry] of this.#sent.entries) sent.entries.set(path, entry);
      for (const [path, file] of this.#sent.written) sent.written.set(path, file);
      for (const name of names) move(from.at(name), to.at(name));
    } catch (error) {
      if (isGomoteError(error)) throw error;
      // For example two mounts of one file system. What is there by now is recorded.
      const why = `${dir}: what was made ahead cannot be moved there`;
      throw new GomoteError('ERR_CONFLICT', why, { hint: 'push again', cause: error });
    } finally {
      for (const each of [from, to]) each.close();
      this.drop();
    }
  }

  drop(): void {
    this.#state = 'dropped';
    this.#sent.entries.clear();
    this.#sent.written.clear();
    if (existsSync(this.#path)) removeTree(this.#path).catch(() => undefined);
  }
}

/** A directory that its owner may not write to keeps its parent. */
function move(from: string, to: string): void {
  const stats = lstatSync(from);
  const mode = stats.mode & 0o7777;
  const isClosed = stats.isDirectory() && (mode & 0o200) === 0;
  if (isClosed) chmodSync(from, mode | 0o200);
  renameSync(from, to);
  if (isClosed) chmodSync(to, mode);
}
