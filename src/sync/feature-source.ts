// A directory of a buildlet that knows of trees.
import { TreeReceiver, type TreeSink } from '../archive/tree-receiver.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { TreeCallOptions } from '../client/trees.ts';
import { isGomoteError } from '../errors.ts';
import type { TreeDifference } from '../protocol/tree-difference.ts';
import type { TreeEntry } from '../protocol/tree-entry.ts';
import { wishedCompression } from './compression.ts';
import type { Source, SourceOptions } from './source.ts';

export class FeatureSource implements Source {
  readonly algorithm = 'sha256';
  readonly #client: BuildletClient;
  readonly #options: SourceOptions;

  constructor(client: BuildletClient, options: SourceOptions) {
    this.#client = client;
    this.#options = options;
  }

  get #call(): TreeCallOptions {
    const { signal, onWire, compress } = this.#options;
    return { signal, onWire, compress: wishedCompression(this.#client, compress) };
  }

  async entries(): Promise<TreeEntry[]> {
    const { dir } = this.#options;
    const trees = await this.#client.trees();
    const { entries } = await trees.manifest(dir, 'all', this.#call);
    // Nothing may be in it, or it may not be there: then this fails.
    if (entries.length === 0) await trees.read(dir, [], this.#call);
    return entries;
  }

  async differences(): Promise<TreeDifference[]> {
    const trees = await this.#client.trees();
    return await trees.differences(this.#options.dir, this.#call);
  }

  async fetch(entries: readonly TreeEntry[] | undefined, sink: TreeSink): Promise<void> {
    const paths = entries?.map(({ path }) => path);
    const trees = await this.#client.trees();
    const { dir, compress, signal } = this.#options;
    const receive = async (isNamed: boolean) => {
      const stream = await trees.read(dir, paths, { ...this.#call, isNamed });
      // Nothing here would be compared with the digests of what is copied.
      const receiver = new TreeReceiver(
        sink,
        isNamed ? { named: 'undigested', namedIn: trees.sharedDirectory } : {},
      );
      for await (const { buffer, byteOffset, byteLength } of stream) {
        receiver.push(Buffer.from(buffer, byteOffset, byteLength));
        for (const _ of receiver.copy()) {
          await new Promise((resolve) => setImmediate(resolve));
          signal.throwIfAborted();
        }
      }
      receiver.finish();
    };
    const isNamed = trees.sharesFiles && compress === 'auto';
    try {
      await receive(isNamed);
    } catch (error) {
      if (!(isNamed && isGomoteError(error, 'ERR_UNSUPPORTED'))) throw error;
      // The directory that it names is not that one here: nothing was made.
      await receive(false);
    }
  }
}
