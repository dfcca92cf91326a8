// A directory of a buildlet that has the extension for trees.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import type { TreeCallOptions, TreeScope, Trees } from '../../client/files/trees.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import type { StoredAnswer } from '../../protocol/stored.ts';
import type { TreeDifference } from '../../protocol/tree-difference.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { treeLimits } from '../../protocol/tree-limits.ts';
import type { RefusedEntry } from '../../protocol/tree-replies.ts';
import { parseUnreadFailure } from '../../protocol/unread.ts';
import type { Chunk } from '../../tree/chunks.ts';
import { SenderFailure } from '../../tree/stream-failure.ts';
import { TreeReceiver } from '../../tree/tree-receiver.ts';
import type { TreeSink } from '../../tree/tree-sink.ts';
import { chooseCompression } from '../compression.ts';
import { unknownLife } from '../local/known-states.ts';
import type { RemoteState, RemoteTree, RemoteTreeOptions, TreeUpdate } from './remote-tree.ts';

/** What buildlets take that do not announce more, those on Windows among them. */
const whyNotPlain = ({ path, target }: TreeEntry): string | undefined =>
  path.isWellFormed() && target.isWellFormed() && !path.includes('\\')
    ? undefined
    : 'the buildlet takes names in UTF-8 without a backslash only';

export class ExtensionTree implements RemoteTree {
  readonly algorithm = 'sha256';
  readonly unread = new Map<string, string>();
  readonly #client: BuildletClient;
  readonly #options: RemoteTreeOptions;
  #trees: Promise<Trees> | undefined;
  #identity: string | undefined;
  #generation = '';
  /** Until its state says otherwise, the buildlet is assumed to support the requested compression. */
  #zstd = true;

  constructor(client: BuildletClient, options: RemoteTreeOptions) {
    this.#client = client;
    this.#options = options;
  }

  get identity(): string {
    return this.#identity ?? unknownLife(this.#client);
  }

  get #call(): TreeCallOptions {
    const { signal, onWire, compress } = this.#options;
    const packing = { zstd: this.#zstd };
    return { signal, onWire, compress: chooseCompression(this.#client, compress, packing) };
  }

  /** Calls with the trees, which know their identity afterwards. */
  async #ask<T>(call: (trees: Trees) => Promise<T>): Promise<T> {
    this.#trees ??= this.#client.trees();
    const trees = await this.#trees;
    const answer = await call(trees);
    this.#identity = trees.identity;
    return answer;
  }

  readonly #onUnread = (path: string, reason: string): void => {
    this.unread.set(path, reason);
  };

  async state(scope: TreeScope): Promise<RemoteState> {
    const { dir, compress, signal, onWire } = this.#options;
    const state = await this.#ask((trees) => trees.state(dir, scope, { signal, onWire }));
    this.#generation = state.generation;
    this.#zstd = state.zstd === true;
    const { sharesFiles } = await this.#client.trees();
    const { digest, times, busy, named, anyName, hasStore, prepared } = state;
    return {
      digest,
      times,
      isBusy: busy === true,
      // An explicit compression means that the content is to be sent.
      takesNames: compress === 'auto' && sharesFiles && named === true,
      hasStore: hasStore === true,
      prepared,
      whyNameRefused: anyName === true ? undefined : whyNotPlain,
    };
  }

  async entries(scope: TreeScope): Promise<TreeEntry[]> {
    const call = { ...this.#call, onUnread: this.#onUnread };
    const found = await this.#ask((trees) => trees.manifest(this.#options.dir, scope, call));
    this.#generation = found.generation;
    // Nothing may be in it, or it may not be there.
    if (scope === 'pull' && found.entries.length === 0) await this.#requireDirectory();
    return found.entries;
  }

  async preparedEntries(): Promise<TreeEntry[]> {
    const call = { ...this.#call, isPrepared: true };
    return (await this.#ask((trees) => trees.manifest(this.#options.dir, 'pushed', call))).entries;
  }

  async entriesBelow(path: string): Promise<TreeEntry[]> {
    const { dir } = this.#options;
    const below = dir === '.' ? path : `${dir}/${path}`;
    const { entries } = await this.#ask((trees) => trees.manifest(below, 'all', this.#call));
    return entries.map((entry) => ({ ...entry, path: `${path}/${entry.path}` }));
  }

  /** The buildlet itself keeps what no push has sent. */
  knowsDirectory(): boolean {
    return false;
  }

  async chunks(path: string): Promise<Chunk[]> {
    return await this.#ask((trees) => trees.chunks(this.#options.dir, path, this.#call));
  }

  async stored(head: Buffer, files: number): Promise<StoredAnswer> {
    return await this.#ask((trees) => trees.stored(head, files, this.#call));
  }

  async apply(update: TreeUpdate): Promise<readonly RefusedEntry[]> {
    const { pieces, proof, onDigest, replacesDirectories, prepared, isWhole } = update;
    const call = { ...this.#call, onDigest, replacesDirectories, prepared, isWhole };
    const applied = await this.#ask((trees) =>
      trees.apply(this.#options.dir, this.#generation, pieces(), call),
    );
    if (applied.digest === proof()) return applied.refused;
    throw new GomoteError('ERR_LOST', `${this.#client.name} got something else than was sent`, {
      hint: 'push again',
    });
  }

  async differences(): Promise<TreeDifference[]> {
    const call = { ...this.#call, onUnread: this.#onUnread };
    const found = await this.#ask((trees) => trees.differences(this.#options.dir, call));
    if (found.every(({ status }) => status === 'D')) await this.#requireDirectory();
    return found;
  }

  async #requireDirectory(): Promise<void> {
    const { dir } = this.#options;
    const stream = await this.#ask((trees) => trees.read(dir, [], this.#call));
    // A reply that is not read to its end holds its connection.
    let size = 0;
    for await (const piece of stream) {
      size += piece.length;
      if (size > treeLimits.replyBytes) {
        throw new GomoteError('ERR_REPLY', `${this.#client.name} sent what was not asked for`);
      }
    }
  }

  async sendsContents(): Promise<boolean> {
    return this.#options.compress !== 'auto' || !(await this.#client.trees()).sharesFiles;
  }

  async read(entries: readonly TreeEntry[] | undefined, sink: TreeSink): Promise<void> {
    const paths = entries?.map(({ path }) => path);
    const { dir, signal } = this.#options;
    const receive = async (isNamed: boolean) => {
      const call = { ...this.#call, isNamed };
      const stream = await this.#ask((trees) => trees.read(dir, paths, call));
      const { sharedDirectory } = await this.#client.trees();
      const named = { named: 'digested', namedIn: sharedDirectory } as const;
      const receiver = new TreeReceiver(sink, isNamed ? named : {});
      const copy = async () => {
        for (const _ of receiver.copy()) {
          await new Promise((resolve) => setImmediate(resolve));
          signal.throwIfAborted();
        }
      };
      try {
        for await (const { buffer, byteOffset, byteLength } of stream) {
          receiver.push(Buffer.from(buffer, byteOffset, byteLength));
          await copy();
        }
        receiver.finish();
      } catch (error) {
        const unread =
          error instanceof SenderFailure ? parseUnreadFailure(error.message) : undefined;
        if (unread === undefined) throw error;
        // All else has come.
        await copy();
        for (const [path, reason] of unread) this.unread.set(path, reason);
      }
    };
    const isNamed = !(await this.sendsContents());
    try {
      await receive(isNamed);
    } catch (error) {
      if (!(isNamed && isGomoteError(error, 'ERR_UNSUPPORTED'))) throw error;
      // The directory that it names is not that one here: nothing was made.
      await receive(false);
    }
  }
}
