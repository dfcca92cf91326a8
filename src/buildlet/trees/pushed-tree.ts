// One directory that trees are pushed into: what was sent, and what exists now.
import { randomBytes } from 'node:crypto';
import { GomoteError } from '../../errors.ts';
import type { OpenTree } from '../../files/open-tree.ts';
import { type TreeDifference, treeDifferences } from '../../protocol/tree-difference.ts';
import type { DigestAlgorithm, TreeEntry } from '../../protocol/tree-entry.ts';
import type { Contents } from '../../store/contents.ts';
import { keepLastTree } from '../../store/last-tree.ts';
import type { DigestCache } from '../../tree/digest-cache.ts';
import { withStore } from '../../tree/store-sink.ts';
import { digestOf, withDigests } from '../../tree/tree-digests.ts';
import { TreeReceiver } from '../../tree/tree-receiver.ts';
import { type FoundEntry, look, lookByPath, walkTree } from '../../tree/tree-walk.ts';
import { TreeWriter } from '../../tree/tree-writer.ts';
import { FileTimes, withTimes } from './file-times.ts';
import { type PushedDirectory, withTree } from './held-tree.ts';
import type { ChangeOptions } from './jobs.ts';
import type { PreparedTree } from './prepared-tree.ts';
import type { Problems } from './problems.ts';
import { RecordFile } from './record-file.ts';
import { Refusals } from './refusals.ts';
import type { RunningChange } from './running-change.ts';
import { inOrder, isAsWritten, noteChange, type Written } from './sent-entries.ts';

/** A push without data for this long, in ms, no longer blocks others. */
const silentMs = 30_000;

export class PushedTree {
  readonly #place: PushedDirectory;
  readonly #cache: DigestCache;
  readonly #store: Contents | undefined;
  readonly #record: RecordFile;
  /** The sent entries, in order, with their digests. */
  #pushed: Map<string, TreeEntry>;
  readonly #written = new Map<string, Written>();
  /** Digests of files whose record has none, or one of another algorithm, as confirmed by a pusher. */
  readonly #unproved = new Map<string, string>();
  #running: RunningChange | undefined;
  /** When data last arrived for the running change. */
  #heardAtMs = 0;
  #generation = newGeneration();
  #isUnsaved = false;
  #isInOrder = true;

  constructor(workDir: string, dir: string, cache: DigestCache, store?: Contents) {
    this.#store = store;
    this.#place = { workDir, dir };
    this.#cache = cache;
    this.#record = new RecordFile(workDir, dir);
    const record = this.#record.load();
    this.#pushed = new Map(record?.entries.map((entry) => [entry.path, entry]));
  }

  /** Incremented with every change: a change must be based on the current state. */
  get generation(): string {
    return this.#generation;
  }

  /** When the record was removed, for example by emptying the work directory, nothing counts as sent. */
  #forgetIfRemoved(): void {
    if (this.#running !== undefined) return;
    this.#save();
    if (this.#pushed.size === 0 || this.#isUnsaved) return;
    if (!this.#record.exists) this.#forget();
  }

  #forget(): void {
    this.#pushed = new Map();
    this.#written.clear();
    this.#generation = newGeneration();
  }

  get isBusy(): boolean {
    return this.#running !== undefined && Date.now() - this.#heardAtMs < silentMs;
  }

  asSent(entries: readonly TreeEntry[]): TreeEntry[] {
    return entries.map((entry) => {
      const sent = this.#pushed.get(entry.path);
      return sent?.kind === 'file' ? { ...entry, mtimeMs: sent.mtimeMs } : entry;
    });
  }

  /** What is left of the pushed entries, with the times they were sent with. `isOnlyDigested`: the caller digests the list and sends no entry. */
  pushed(isOnlyDigested = false): TreeEntry[] {
    this.#forgetIfRemoved();
    this.#putInOrder();
    return withTree(this.#place, (tree) => this.#pushedIn(tree, isOnlyDigested)) ?? [];
  }

  #pushedIn(top: OpenTree, isOnlyDigested: boolean): TreeEntry[] {
    const entries: TreeEntry[] = [];
    let gone: string | undefined;
    for (const { path, kind, digest: sent, mtimeMs } of this.#pushed.values()) {
      // Entries below a directory must not be reached through a link.
      if (gone !== undefined && path.startsWith(gone)) continue;
      const found = isOnlyDigested ? lookByPath(top, path) : look(top, path);
      if (kind === 'directory' && (typeof found !== 'object' || found.kind !== 'directory')) {
        gone = `${path}/`;
      }
      if (typeof found !== 'object') continue;
      const digest = this.#digestOf(top, found);
      if (digest === undefined) continue;
      entries.push(digest === '' ? found : { ...found, mtimeMs, digest });
      if (digest.length !== sent.length) this.#unproved.set(path, digest);
    }
    return entries;
  }

  /** Everything that there is, without what cannot be read, which is put into `problems`; for a pull, without `.git`. */
  all(problems: Problems, isPull: boolean): TreeEntry[] {
    this.#forgetIfRemoved();
    const entries = withTree(this.#place, (tree) => {
      const found = walkTree(tree, isPull ? problems.ofWalk : { onProblem: problems.add });
      return withDigests(found, (entry) => this.#digestOf(tree, entry));
    });
    return entries ?? [];
  }

  /** What the buildlet's commands have made of what was pushed; what cannot be read is put into `problems`. */
  differences(problems: Problems): TreeDifference[] {
    this.#forgetIfRemoved();
    const compare = (found: FoundEntry[], tree?: OpenTree) =>
      treeDifferences(this.#pushed.values(), found, (entry, algorithm) => {
        return tree && this.#digestOf(tree, entry, algorithm);
      });
    const differences =
      withTree(this.#place, (tree) => compare(walkTree(tree, problems.ofWalk), tree)) ??
      compare([]);
    return problems.known(differences);
  }

  /** From now on, files that were written count as changed, until they are read. */
  doubt(): void {
    this.#written.clear();
  }

  #digestOf(
    top: OpenTree,
    found: FoundEntry,
    algorithm: DigestAlgorithm = 'sha256',
  ): string | undefined {
    const written =
      algorithm === 'sha256' && found.kind === 'file' ? this.#written.get(found.path) : undefined;
    if (written !== undefined && isAsWritten(written, found)) return written.entry.digest;
    return digestOf(top, found, algorithm, this.#cache);
  }

  /** Throws ERR_CONFLICT unless the state is at `generation`, and no change of it is under way; a stalled one is ended. */
  #requireFree(generation: string): void {
    if (this.isBusy) {
      throw new GomoteError('ERR_CONFLICT', `another push into ${this.#place.dir} is running`, {
        hint: 'push again when it is over',
      });
    }
    this.#running?.abandon(new GomoteError('ERR_CONFLICT', 'another push took over'));
    this.#save();
    if (generation !== this.#generation) {
      const why = `${this.#place.dir} was changed by another push meanwhile`;
      throw new GomoteError('ERR_CONFLICT', why, { hint: 'push again' });
    }
  }

  /**
   * Begins a change of the state at `generation`. Throws ERR_CONFLICT, also while another one is running; a stalled one
   * is ended.
   *
   * @param near A store on the way, which has what the stream leaves out.
   * @param prepared What it begins with, if nothing was pushed. Throws ERR_CONFLICT when something is in its way.
   */
  change(
    { generation, ranAtMs, ...options }: ChangeOptions,
    near?: Contents,
    prepared?: PreparedTree,
  ): RunningChange {
    this.#requireFree(generation);
    const isWhole = this.#pushed.size === 0 || prepared !== undefined;
    if (prepared !== undefined) this.#beginWith(prepared);
    this.#heardAtMs = Date.now();
    const next = new Map(this.#pushed);
    const times = new FileTimes({ ranAtMs, pushed: this.#pushed });
    let isBegun = false;
    const refusals = new Refusals();
    const writer = new TreeWriter(this.#place.workDir, this.#place.dir, {
      ...refusals.options(options, () => receiver.isNamed),
      onHead: (head) => {
        this.#save();
        this.#record.expect(head, isBegun ? 'next' : 'first');
        isBegun = true;
      },
      onDone: (change, digest) => {
        noteChange({ entries: next, written: this.#written }, change, digest, times);
        if (receiver.isNamed && digest !== '') copied += `${digest}\n`;
      },
    });
    const store = this.#store;
    const kept = withStore(writer, store, {
      isProving: true,
      isNamed: () => receiver.isNamed,
    });
    const receiver = new TreeReceiver(withTimes(kept, times), {
      named: 'digested',
      store: near ?? store,
    });
    const hear = () => {
      this.#heardAtMs = Date.now();
    };
    let ended: Error | undefined;
    let copied = '';
    const takeCopied = () => {
      const taken = copied;
      copied = '';
      return taken;
    };
    const settle = () => {
      this.#running = undefined;
      this.#generation = newGeneration();
      if (!writer.leavesNothing) this.#pushed = next;
      this.#isInOrder = false;
      // Until then, the pending change on disk names everything that may have been created.
      this.#isUnsaved ||= isBegun;
      store?.flush();
      setImmediate(() => {
        this.#save();
        // The next buildlet with this store can make it ahead.
        if (isWhole && store !== undefined) keepLastTree(store, [...this.#pushed.values()]);
      });
    };
    const running: RunningChange = {
      push: (piece) => {
        if (ended !== undefined) throw ended;
        hear();
        receiver.push(piece);
      },
      copy: function* () {
        for (const _ of receiver.copy()) {
          hear();
          yield takeCopied();
          if (ended !== undefined) throw ended;
        }
        if (copied !== '') yield takeCopied();
      },
      end: () => {
        if (ended !== undefined) throw ended;
        receiver.finish();
        writer.finish();
        this.#takeProved(next);
        ended = new GomoteError('ERR_CLOSED', 'the change has ended');
        settle();
        return { digest: receiver.proof, ...writer.totals, refused: refusals.entries };
      },
      abandon: (reason = new GomoteError('ERR_ABORTED', 'the change was given up')) => {
        if (ended !== undefined) return;
        ended = reason;
        writer.abandon();
        settle();
      },
    };
    this.#running = running;
    return running;
  }

  /** Begins with the copy, where nothing is. Throws ERR_CONFLICT. */
  #beginWith(prepared: PreparedTree): void {
    this.#isUnsaved = true;
    const sent = { entries: this.#pushed, written: this.#written };
    prepared.moveInto(this.#place, this.#record, sent);
  }

  #save(): void {
    if (!this.#isUnsaved) return;
    this.#putInOrder();
    try {
      // The record is written after the reply: the client may have emptied the work directory since.
      if (!this.#record.save([...this.#pushed.values()])) this.#forget();
      this.#isUnsaved = false;
    } catch {
      // For example a full disk: the pending change stays, and the next change tries again.
    }
  }

  #takeProved(next: Map<string, TreeEntry>): void {
    for (const [path, digest] of this.#unproved) {
      const entry = next.get(path);
      if (entry?.kind === 'file' && entry.digest.length !== digest.length) {
        next.set(path, { ...entry, digest });
      }
    }
    this.#unproved.clear();
  }

  /** Sorts the pushed entries by path; usually they already are. */
  #putInOrder(): void {
    if (!this.#isInOrder) this.#pushed = inOrder(this.#pushed);
    this.#isInOrder = true;
  }
}

const newGeneration = (): string => randomBytes(8).toString('hex');
