// The local tree in one round of a push: walked once, and sent as one stream or several.
import type { GomoteError } from '../../errors.ts';
import { isFileWrite, literalBytes, type TreeChange } from '../../protocol/tree-change.ts';
import type { DigestAlgorithm, TreeEntry } from '../../protocol/tree-entry.ts';
import { TreeSender } from '../../tree/tree-sender.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import { LocalCache } from '../local/local-cache.ts';
import { LocalWalk } from '../local/local-tree.ts';
import type { TreeUpdate } from '../remote/remote-tree.ts';
import type { PushOptions } from './push-options.ts';

export type PushStream = Pick<TreeUpdate, 'pieces' | 'proof' | 'onDigest'>;

type Parts = Iterable<readonly TreeChange[]> | AsyncIterable<readonly TreeChange[]>;

export interface StreamOptions {
  readonly isNamed: boolean;
  /** Whether its reader's store has the heads of its parts. */
  readonly areHeadsKnown: boolean;
}

interface PushSourceOptions extends PushOptions {
  /** Why an entry is skipped. */
  readonly refuses: (entry: FoundEntry) => GomoteError | undefined;
  /** Called for a file that cannot be read, before the error is thrown. */
  readonly onUnread: (path: string, error: unknown) => void;
}

/** Before more bytes than this are sent, the walk is completed, so that `onTree` tells their total. */
const untoldBytes = 100e6;

export class PushSource {
  readonly walk: LocalWalk;
  readonly cache: LocalCache;
  readonly options: PushSourceOptions;
  #hasSent = false;
  #isSaved = false;
  #isTold = false;

  private constructor(walk: LocalWalk, options: PushSourceOptions) {
    this.walk = walk;
    this.options = options;
    this.cache = new LocalCache(options.cacheDirectory, walk.top, 'push');
  }

  /** `top` is a real path. Throws ERR_LOCAL_FILE, ERR_TIMEOUT. */
  static async begin(top: string, options: PushSourceOptions): Promise<PushSource> {
    return new PushSource(await LocalWalk.begin(top, options), options);
  }

  async findAll(): Promise<void> {
    await this.walk.finish();
    if (!this.#isTold) this.options.onTree?.(this.walk);
    this.#isTold = true;
  }

  /** The changes that create this tree, part by part as it is walked; also added to `all`. */
  async *found(all: TreeChange[]): AsyncGenerator<TreeChange[]> {
    const { walk, options } = this;
    let bytes = 0;
    for (;;) {
      if (bytes >= untoldBytes) await this.findAll();
      const { isOver } = walk;
      const entries = walk.entries.slice(all.length);
      const changes = entries.map((entry): TreeChange => ({ op: 'write', entry }));
      for (const change of changes) bytes += literalBytes(change);
      all.push(...changes);
      if (isOver) {
        await this.findAll();
        options.onPlan?.(all);
      }
      yield changes;
      if (isOver) return;
      await walk.walk();
    }
  }

  /** A file's digest; undefined when it is gone. */
  digest(entry: FoundEntry, algorithm: DigestAlgorithm): string | undefined {
    try {
      return this.cache.digest(entry, algorithm);
    } catch (error) {
      this.options.onUnread(entry.path, error);
      throw error;
    }
  }

  /** The digest of an entry of the walk; undefined when it has gone. */
  digestOf(entry: TreeEntry): string | undefined {
    return isFound(entry) ? this.digest(entry, 'sha256') : undefined;
  }

  /** The stream of the changes, whose contents are named or sent; each piece is available once. */
  stream(
    parts: Parts,
    { isNamed, areHeadsKnown }: StreamOptions = { isNamed: false, areHeadsKnown: false },
  ): PushStream {
    this.#hasSent = true;
    const { signal, onUnread } = this.options;
    let proof = '';
    const onProof = (sha256: string) => {
      proof = sha256;
    };
    const onDigest = this.#learn;
    const told = { onUnread, onProof, onDigest };
    const sender = new TreeSender(this.walk.top, { isNamed, areHeadsKnown, ...told });
    /** Files of a named stream, whose digests come from the buildlet. */
    const named: TreeEntry[] = [];
    let digested = 0;
    let isOver = false;
    // The buildlet is still working on the last part.
    const saveIfOver = () => {
      if (isOver && digested === named.length) setImmediate(() => this.save());
    };
    const pieces = (async function* () {
      for await (const changes of parts) {
        for (const change of isNamed ? changes : []) {
          if (isFileWrite(change)) named.push(change.entry);
        }
        for (const piece of sender.part(changes)) {
          yield piece;
          signal.throwIfAborted();
        }
      }
      yield* sender.end();
      isOver = true;
      saveIfOver();
    })();
    const onNamedDigest = (sha256: string) => {
      const entry = named[digested++];
      if (entry !== undefined) onDigest(entry, sha256);
      saveIfOver();
    };
    const shared = { pieces: () => pieces, proof: () => proof };
    return isNamed ? { ...shared, onDigest: onNamedDigest } : shared;
  }

  readonly #learn = (entry: TreeEntry, sha256: string): void => {
    if (isFound(entry)) this.cache.learn(entry, sha256, this.walk.readAtMs);
    this.options.onSent?.(entry.size);
  };

  save(): void {
    if (this.#isSaved || !this.walk.isOver) return;
    this.#isSaved = true;
    this.cache.save(this.walk.entries, this.#hasSent);
  }
}

/** Whether it is an entry of the walk, which has more fields. */
const isFound = (entry: TreeEntry): entry is FoundEntry => 'ino' in entry;
