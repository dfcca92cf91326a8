// A copy of the tree that was pushed last, made ahead out of a store, where no tree is: the first push into an empty directory
// takes it, and sends what differs. A push that comes before it is made waits for the rest. Commands can change it meanwhile, and
// it is checked for that as a pushed tree is: by what tells a changed file.
import { randomBytes } from 'node:crypto';
import { existsSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { chmodSync, lstatSync, readdirSync, renameSync } from '../../files/named-fs.ts';
import { openDirectory } from '../../files/open-directory.ts';
import { OpenTree } from '../../files/open-tree.ts';
import { reachDirectory } from '../../files/reach.ts';
import { removeTree } from '../../files/remove-tree.ts';
import { bytesOfName } from '../../protocol/name-bytes.ts';
import { encodeChanges, type WriteChange } from '../../protocol/tree-change.ts';
import { type TreeEntry, timesDigest, treeDigest } from '../../protocol/tree-entry.ts';
import type { Contents } from '../../store/contents.ts';
import { lastTree } from '../../store/last-tree.ts';
import { takeStored } from '../../tree/stored-content.ts';
import { type FoundEntry, walkSteps } from '../../tree/tree-walk.ts';
import { TreeWriter } from '../../tree/tree-writer.ts';
import { FileTimes } from './file-times.ts';
import type { PushedDirectory } from './held-tree.ts';
import type { RecordFile } from './record-file.ts';
import { inOrder, isAsWritten, noteChange, type Sent, type Written } from './sent-entries.ts';

/** Larger trees are not copied ahead, and so much of the disk stays free: one part in N. */
const mostBytes = 4 * 1024 ** 3;
const keptFree = 10;
/** Of a directory that is missing; the umask applies. */
const madeMode = 0o755;
/** So many entries are made in a step. */
const stepEntries = 16;

/** The digest of its entries, and that of their times. */
interface Summary {
  readonly digest: string;
  readonly times: string;
}

const asWritten = (entry: TreeEntry): WriteChange => ({ op: 'write', entry });

export class PreparedTree {
  readonly #path: string;
  readonly #stage: string;
  readonly #making: Generator<void, void, void>;
  #checking: Generator<void, void, void> | undefined;
  /** No command that ended before has changed it since. */
  #checkedAtMs = Date.now();
  #sent: Sent = { entries: new Map<string, TreeEntry>(), written: new Map<string, Written>() };
  #state: 'making' | 'ready' | 'dropped' = 'making';
  /** In order: what it is, or will be. */
  #entries: readonly TreeEntry[] = [];
  #summary: Summary | undefined;
  /** For the record, once it is made: no push should wait for that. */
  #head: Uint8Array = new Uint8Array();

  /** `stage` is a private directory. */
  constructor(stage: string, store: Contents) {
    this.#stage = stage;
    this.#path = join(stage, randomBytes(8).toString('hex'));
    this.#making = this.#make(store);
  }

  /**
   * Makes it, and checks it if a command has run since, in short steps; several may go through them at once.
   *
   * @param ranAtMs The last time at which a command ran.
   */
  *settle(ranAtMs = 0): Generator<void, void, void> {
    while (!this.#making.next().done) yield;
    if (ranAtMs >= this.#checkedAtMs) {
      this.#checkedAtMs = Date.now();
      this.#checking = this.#check();
    }
    while (this.#checking?.next().done === false) yield;
  }

  /** What fails is left out. */
  *#make(store: Contents): Generator<void, void, void> {
    let writer: TreeWriter | undefined;
    try {
      const entries = lastTree(store);
      if (!this.#isWorthwhile(entries)) return;
      this.#entries = entries;
      const times = new FileTimes({ ranAtMs: 0, pushed: new Map() });
      writer = new TreeWriter(this.#stage, this.#path.slice(this.#stage.length + 1), {
        onDone: (change, digest) => noteChange(this.#sent, change, digest, times),
      });
      const changes = entries.map(asWritten);
      writer.begin(changes, Buffer.alloc(0));
      for (const [at, change] of changes.entries()) {
        if (at % stepEntries === 0) yield;
        if (!this.isMaking) return;
        if (change.entry.kind === 'file') takeStored(change, store, writer);
        else writer.apply(change);
      }
      writer.finish();
      this.#sent = { ...this.#sent, entries: inOrder(this.#sent.entries) };
      this.#entries = [...this.#sent.entries.values()];
      this.#summary = undefined;
      this.#head = bytesOfName(encodeChanges(this.#entries.map(asWritten)));
      this.#state = 'ready';
    } catch {
      this.#state = 'dropped';
    } finally {
      writer?.abandon();
      if (this.#state !== 'ready') this.drop();
    }
  }

  /** Whether there is something to be made, and room for it. */
  #isWorthwhile(entries: readonly TreeEntry[]): boolean {
    const bytes = entries.reduce((sum, { size }) => sum + size, 0);
    const { bavail, blocks, bsize } = statfsSync(this.#stage);
    const hasRoom = bavail * bsize - bytes > (blocks * bsize) / keptFree;
    return entries.length > 0 && bytes <= mostBytes && hasRoom;
  }

  /** Drops it unless everything is as it was made, and nothing else is there. */
  *#check(): Generator<void, void, void> {
    let tree: OpenTree | undefined;
    try {
      tree = new OpenTree(openDirectory(this.#path));
      let next = 0;
      let isSame = true;
      const onOther = () => {
        isSame = false;
      };
      for (const found of walkSteps(tree, { onOther })) {
        isSame &&= found.every((entry) => this.#isMade(entry, this.#entries[next++]));
        if (!isSame) break;
        yield;
      }
      if (!isSame || next !== this.#entries.length) this.drop();
    } catch {
      this.drop();
    } finally {
      tree?.close();
    }
  }

  #isMade(found: FoundEntry, made: TreeEntry | undefined): boolean {
    if (made?.path !== found.path || made.kind !== found.kind) return false;
    if (found.kind === 'symlink') return found.target === made.target;
    if (found.mode !== made.mode) return false;
    const file = this.#sent.written.get(found.path);
    return found.kind === 'directory' || (file !== undefined && isAsWritten(file, found));
  }

  get isMaking(): boolean {
    return this.#state === 'making';
  }

  /** What it is, or will be once it is made; undefined when there is none. */
  get summary(): Summary | undefined {
    const { entries } = this;
    if (entries.length === 0) return undefined;
    this.#summary ??= { digest: treeDigest(entries), times: timesDigest(entries) };
    return this.#summary;
  }

  get entries(): readonly TreeEntry[] {
    return this.#entries;
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
      record.expect(this.#head, 'first');
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
    this.#entries = [];
    this.#head = new Uint8Array();
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
