// All the trees of a work directory.
import { hash } from 'node:crypto';
import { statSync } from 'node:fs';
import { errnoOf, GomoteError } from '../../errors.ts';
import { OpenTree } from '../../files/open-tree.ts';
import { passesOn } from '../../files/passes-on.ts';
import { reachDirectory } from '../../files/reach.ts';
import { quoted } from '../../printable.ts';
import { bytesOfName } from '../../protocol/name-bytes.ts';
import type { StoreAt } from '../../protocol/stored.ts';
import type { TreeChange } from '../../protocol/tree-change.ts';
import {
  belowDirectory,
  encodeDifferences,
  type TreeDifference,
} from '../../protocol/tree-difference.ts';
import {
  encodeEntries,
  isEntryPath,
  type TreeEntry,
  timesDigest,
  treeDigest,
} from '../../protocol/tree-entry.ts';
import { unreadFailure } from '../../protocol/unread.ts';
import type { ContentStore } from '../../store/content-store.ts';
import { openStoreAt } from '../../store/store-at.ts';
import { chunkFile, encodeChunks } from '../../tree/chunks.ts';
import { DigestCache } from '../../tree/digest-cache.ts';
import { TreeSender } from '../../tree/tree-sender.ts';
import { look, walkSteps } from '../../tree/tree-walk.ts';
import type { TreeJob } from './jobs.ts';
import { PreparedTree } from './prepared-tree.ts';
import { Problems } from './problems.ts';
import { PushedTree } from './pushed-tree.ts';
import { pushedDirectories } from './record-file.ts';
import type { RunningChange } from './running-change.ts';

type Job<Kind extends TreeJob['kind']> = Extract<TreeJob, { kind: Kind }>;

/** How many directories are kept in memory; records of others are read again. */
const treeLimit = 1_000;

export class TreeStore {
  readonly #workDir: string;
  readonly #stage: string;
  readonly #contents: ContentStore | undefined;
  #prepared: PreparedTree | undefined;
  readonly #cache = new DigestCache();
  readonly #trees = new Map<string, PushedTree>();

  /** `stage`: a private directory for a tree that is made ahead; `contents`: a store for what is pushed. */
  constructor({ workDir, stage }: { workDir: string; stage: string }, contents?: ContentStore) {
    this.#workDir = workDir;
    this.#stage = stage;
    this.#contents = contents;
  }

  #tree(dir: string): PushedTree {
    const tree = this.#trees.get(dir) ?? this.#newTree(dir);
    // The most recently used one goes to the end.
    this.#trees.delete(dir);
    this.#trees.set(dir, tree);
    if (this.#trees.size > treeLimit) this.#forgetOldest();
    return tree;
  }

  #newTree(dir: string): PushedTree {
    return new PushedTree(this.#workDir, dir, this.#cache, this.#contents);
  }

  /**
   * Makes the tree ahead that was pushed last, in short steps, unless it could not be moved into the work directory, or would
   * have other groups or ACLs there than what is made there.
   */
  *prepare(storeAt: StoreAt | undefined): Generator<void, void, void> {
    this.drop();
    const store = storeAt === undefined ? this.#contents : openStoreAt(storeAt);
    if (store === undefined || statSync(this.#stage).dev !== statSync(this.#workDir).dev) return;
    if (passesOn(this.#workDir)) return;
    this.#prepared = new PreparedTree(this.#stage, store);
    yield* this.#prepared.settle();
  }

  /** Finishes what is made ahead and checks it, in short steps, as the next change needs it. */
  *settlePrepared(ranAtMs: number): Generator<void, void, void> {
    if (this.#prepared !== undefined) yield* this.#prepared.settle(ranAtMs);
  }

  /** Drops what was made ahead. */
  drop(): void {
    this.#prepared?.drop();
    this.#prepared = undefined;
  }

  /** What the change begins with. Throws ERR_CONFLICT when it has gone. */
  #takePrepared(digest: string | undefined): PreparedTree | undefined {
    const prepared = this.#prepared;
    if (digest === undefined) {
      // What is not ready would only slow the push down.
      if (prepared?.isMaking === true) this.drop();
      return undefined;
    }
    if (prepared?.isMaking !== false || prepared.summary?.digest !== digest) {
      throw new GomoteError('ERR_CONFLICT', 'what was made ahead has gone', { hint: 'push again' });
    }
    this.#prepared = undefined;
    return prepared;
  }

  #forgetOldest(): void {
    for (const [dir, tree] of this.#trees) {
      if (tree.isBusy) continue;
      this.#trees.delete(dir);
      return;
    }
  }

  answer(job: Exclude<TreeJob, { kind: 'apply' | 'read' }>): unknown {
    if (job.kind === 'chunks') return { bytes: this.#chunks(job) };
    if (job.kind === 'doubt') return this.#tree(job.dir).doubt();
    const problems = new Problems();
    if (job.kind === 'differences') {
      const differences = this.#differences(job.dir, problems);
      return { bytes: bytesOfName(encodeDifferences(differences)), unread: problems.unread };
    }
    if (job.kind === 'manifest' && job.isPrepared) return this.#preparedManifest();
    const tree = this.#tree(job.dir);
    const isPull = job.kind === 'manifest' && job.isPull;
    const entries = job.all ? tree.all(problems, isPull) : tree.pushed(job.kind === 'state');
    const { generation } = tree;
    const { unread } = problems;
    // There is no digest for unknown entries: a client that compares asks for the entries and gets the reason.
    const isKnown = job.kind === 'manifest' || unread.size === 0;
    const digest = isKnown ? treeDigest(entries) : hash('sha256', generation);
    const times = timesDigest(job.all ? tree.asSent(entries) : entries);
    if (job.kind === 'manifest') return { bytes: manifest(digest, generation, entries), unread };
    const prepared = entries.length === 0 ? this.#prepared?.summary : undefined;
    const busy = tree.isBusy;
    return { digest, generation, times, busy, prepared, hasStore: this.#hasStore() };
  }

  #preparedManifest() {
    const entries = this.#prepared?.entries ?? [];
    return { bytes: manifest(treeDigest(entries), 'prepared', entries) };
  }

  #hasStore(): boolean {
    this.#contents?.refresh();
    return (this.#contents?.count ?? 0) > 0;
  }

  #differences(dir: string, problems: Problems): TreeDifference[] {
    if (dir !== '') return this.#tree(dir).differences(problems);
    return pushedDirectories(this.#workDir).flatMap((pushed) => {
      const own = new Problems();
      const differences = belowDirectory(pushed, this.#tree(pushed).differences(own));
      for (const [path, why] of own.unread) problems.unread.set(`${pushed}/${path}`, why);
      return differences;
    });
  }

  #chunks({ dir, path }: Job<'chunks'>): Buffer {
    if (!isEntryPath(path)) throw new GomoteError('ERR_PATH', `bogus path ${quoted(path)}`);
    const tree = this.#held(dir);
    try {
      return encodeChunks(chunkFile(tree.at(path)).chunks);
    } finally {
      tree.close();
    }
  }

  #held(dir: string): OpenTree {
    try {
      return new OpenTree(reachDirectory(this.#workDir, dir));
    } catch (error) {
      if (error instanceof GomoteError) throw error;
      const why = errnoOf(error) === 'ENOENT' ? 'no such directory' : 'not a directory';
      throw new GomoteError('ERR_LOCAL_FILE', `${dir}: ${why}`, { cause: error });
    }
  }

  change({ dir, storeAt, prepared, ...options }: Job<'apply'>): RunningChange {
    const copy = this.#takePrepared(prepared);
    return this.#tree(dir).change(options, storeAt && openStoreAt(storeAt), copy);
  }

  read({ dir, paths, isNamed, givesUpFiles }: Job<'read'>): Generator<Buffer, void, void> {
    const tree = this.#held(dir);
    try {
      const sender = new TreeSender(tree, { isNamed, givesUpFiles });
      if (paths === undefined) return closing(tree, sendAll(tree, sender));
      const found = paths.flatMap((path) => find(tree, path, givesUpFiles) ?? []);
      return closing(tree, sendSome(sender, found.map(written)));
    } catch (error) {
      tree.close();
      throw error;
    }
  }
}

const manifest = (digest: string, generation: string, entries: readonly TreeEntry[]): Buffer =>
  bytesOfName(`${digest} ${generation}\0${encodeEntries(entries)}`);

function* closing(
  tree: OpenTree,
  pieces: Generator<Buffer, void, void>,
): Generator<Buffer, void, void> {
  try {
    yield* pieces;
  } finally {
    tree.close();
  }
}

const written = (entry: TreeEntry): TreeChange => ({ op: 'write', entry });

function* sendSome(sender: TreeSender, changes: readonly TreeChange[]): Generator<Buffer> {
  yield* sender.part(changes);
  yield* sender.end();
}

/** How many entries a part of the stream names. */
const partEntries = 256;

/** Yields everything below `top` as it is found, which may fail at any time; at the end, what could not be read. */
function* sendAll(top: OpenTree, sender: TreeSender): Generator<Buffer, void, void> {
  const problems = new Problems();
  const steps = walkSteps(top, problems.ofWalk);
  for (let isOver = false; !isOver; ) {
    const found: TreeEntry[] = [];
    try {
      while (!isOver && found.length < partEntries) {
        const step = steps.next();
        if (step.done) isOver = true;
        else found.push(...step.value);
      }
    } catch (error) {
      return yield* sender.failure(error);
    }
    yield* sender.part(found.map(written));
  }
  const { unread } = problems;
  if (unread.size > 0) yield* sender.failure(new Error(unreadFailure(unread)));
  else yield* sender.end();
}

/** Undefined when it no longer exists, if it `mayBeGone`. */
function find(top: OpenTree, path: string, mayBeGone: boolean): TreeEntry | undefined {
  if (!isEntryPath(path)) throw new GomoteError('ERR_PATH', `bogus path ${quoted(path)}`);
  const found = look(top, path);
  if (typeof found === 'object') return found;
  if (mayBeGone) return undefined;
  throw new GomoteError('ERR_LOST', `${quoted(path)} is not there any more`, {
    hint: 'try again',
  });
}
