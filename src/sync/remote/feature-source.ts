// A directory of a buildlet that knows of trees.

import type { BuildletClient } from '../../client/buildlet-client.ts';
import type { TreeCallOptions, Trees } from '../../client/files/trees.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import type { TreeDifference } from '../../protocol/tree-difference.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { treeLimits } from '../../protocol/tree-limits.ts';
import { parseUnreadFailure } from '../../protocol/unread.ts';
import { SenderFailure, TreeReceiver, type TreeSink } from '../../tree/tree-receiver.ts';
import { wishedCompression } from '../compression.ts';
import { unknownLife } from '../local/known-states.ts';
import type { Source, SourceOptions } from './source.ts';

export class FeatureSource implements Source {
  readonly algorithm = 'sha256';
  readonly unread = new Map<string, string>();
  readonly #client: BuildletClient;
  readonly #options: SourceOptions;
  #trees: Promise<Trees> | undefined;
  #identity: string | undefined;

  constructor(client: BuildletClient, options: SourceOptions) {
    this.#client = client;
    this.#options = options;
  }

  get #call(): TreeCallOptions {
    const { signal, onWire, compress } = this.#options;
    const onUnread = (path: string, reason: string) => this.unread.set(path, reason);
    return { signal, onWire, onUnread, compress: wishedCompression(this.#client, compress) };
  }

  get identity(): string {
    return this.#identity ?? unknownLife(this.#client);
  }

  /** Calls with the trees, which know their identity afterwards. */
  async #ask<T>(call: (trees: Trees) => Promise<T>): Promise<T> {
    this.#trees ??= this.#client.trees();
    const trees = await this.#trees;
    const answer = await call(trees);
    this.#identity = trees.identity;
    return answer;
  }

  async entries(): Promise<TreeEntry[]> {
    const { dir } = this.#options;
    const { entries } = await this.#ask((trees) => trees.manifest(dir, 'pull', this.#call));
    // Nothing may be in it, or it may not be there.
    if (entries.length === 0) await this.requireDirectory();
    return entries;
  }

  async differences(): Promise<TreeDifference[]> {
    return await this.#ask((trees) => trees.differences(this.#options.dir, this.#call));
  }

  async requireDirectory(): Promise<void> {
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

  async fetch(entries: readonly TreeEntry[] | undefined, sink: TreeSink): Promise<void> {
    const paths = entries?.map(({ path }) => path);
    const { dir, compress, signal } = this.#options;
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
    const isNamed = compress === 'auto' && (await this.#client.trees()).sharesFiles;
    try {
      await receive(isNamed);
    } catch (error) {
      if (!(isNamed && isGomoteError(error, 'ERR_UNSUPPORTED'))) throw error;
      // The directory that it names is not that one here: nothing was made.
      await receive(false);
    }
  }
}
