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
    const isNamed = trees.sharesFiles && this.#options.compress === 'auto';
    try {
      await this.#receive(
        await trees.read(this.#options.dir, paths, { ...this.#call, isNamed }),
        sink,
      );
    } catch (error) {
      // Before anything was made: the directory that it names is not that one here.
      if (!(isNamed && isGomoteError(error, 'ERR_UNSUPPORTED'))) throw error;
      await this.#receive(await trees.read(this.#options.dir, paths, this.#call), sink);
    }
  }

  async #receive(stream: AsyncIterable<Uint8Array>, sink: TreeSink): Promise<void> {
    const receiver = new TreeReceiver(sink);
    for await (const { buffer, byteOffset, byteLength } of stream) {
      receiver.push(Buffer.from(buffer, byteOffset, byteLength));
      for (const _ of receiver.copy()) {
        await new Promise((resolve) => setImmediate(resolve));
        this.#options.signal.throwIfAborted();
      }
    }
    receiver.finish();
  }
}
