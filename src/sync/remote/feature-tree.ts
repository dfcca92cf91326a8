// A tree on a buildlet that knows of trees.

import type { BuildletClient } from '../../client/buildlet-client.ts';
import type { TreeCallOptions, TreeState, Trees } from '../../client/files/trees.ts';
import { GomoteError } from '../../errors.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import type { RefusedEntry } from '../../protocol/tree-replies.ts';
import type { Chunk } from '../../tree/chunks.ts';
import { chooseCompression } from '../compression.ts';
import { unknownLife } from '../local/known-states.ts';
import type { RemoteTree, RemoteTreeOptions, Sending } from './remote-tree.ts';

/** What buildlets take that do not announce more, those on Windows among them. */
const whyNotPlain = ({ path, target }: TreeEntry): string | undefined =>
  path.isWellFormed() && target.isWellFormed() && !path.includes('\\')
    ? undefined
    : 'the buildlet takes names in UTF-8 without a backslash only';

export class FeatureTree implements RemoteTree {
  readonly algorithm = 'sha256';
  readonly unread = new Map<string, string>();
  readonly #client: BuildletClient;
  readonly #trees: Trees;
  readonly #options: RemoteTreeOptions;
  #state: TreeState;

  private constructor(
    client: BuildletClient,
    trees: Trees,
    options: RemoteTreeOptions,
    state: TreeState,
  ) {
    this.#client = client;
    this.#trees = trees;
    this.#options = options;
    this.#state = state;
  }

  /** Throws a StatusError of 404 when the buildlet does not know of trees. */
  static async open(client: BuildletClient, options: RemoteTreeOptions): Promise<FeatureTree> {
    const trees = await client.trees();
    const state = await trees.state(options.dir, options.scope, {
      signal: options.signal,
      onWire: options.onWire,
    });
    return new FeatureTree(client, trees, options, state);
  }

  get identity(): string {
    return this.#trees.identity ?? unknownLife(this.#client);
  }

  get digest(): string {
    return this.#state.digest;
  }

  get whyNameRefused(): RemoteTree['whyNameRefused'] {
    return this.#state.anyName === true ? undefined : whyNotPlain;
  }

  get times(): string | undefined {
    return this.#state.times;
  }

  get isBusy(): boolean {
    return this.#state.busy === true;
  }

  get takesNames(): boolean {
    // Whoever asks for a compression wants something sent.
    const isOpen = this.#options.compress === 'auto';
    return isOpen && this.#trees.sharesFiles && this.#state.named === true;
  }

  get #call(): TreeCallOptions {
    const { signal, onWire, compress } = this.#options;
    return { signal, onWire, compress: chooseCompression(this.#client, compress, this.#state) };
  }

  async entries(): Promise<TreeEntry[]> {
    const { dir, scope } = this.#options;
    const onUnread = (path: string, reason: string) => this.unread.set(path, reason);
    const found = await this.#trees.manifest(dir, scope, { ...this.#call, onUnread });
    this.#state = { ...this.#state, ...found };
    return found.entries;
  }

  async entriesBelow(path: string): Promise<TreeEntry[]> {
    const { dir } = this.#options;
    const below = dir === '.' ? path : `${dir}/${path}`;
    const { entries } = await this.#trees.manifest(below, 'all', this.#call);
    return entries.map((entry) => ({ ...entry, path: `${path}/${entry.path}` }));
  }

  /** The buildlet itself keeps what no push has sent. */
  knowsDirectory(): boolean {
    return false;
  }

  async chunks(path: string): Promise<Chunk[]> {
    return await this.#trees.chunks(this.#options.dir, path, this.#call);
  }

  async send({ pieces, proof, onDigest }: Sending): Promise<readonly RefusedEntry[]> {
    const { dir, replacesDirectories } = this.#options;
    const { generation } = this.#state;
    const call = { ...this.#call, onDigest, replacesDirectories };
    const applied = await this.#trees.apply(dir, generation, pieces(), call);
    if (applied.digest === proof()) return applied.refused;
    throw new GomoteError('ERR_LOST', `${this.#client.name} got something else than was sent`, {
      hint: 'push again',
    });
  }
}
