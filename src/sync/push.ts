// Makes a directory of one or more buildlets equal to one of this machine.
import { sendTree } from '../archive/tree-sender.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { StatusError } from '../errors.ts';
import type { Compression } from '../protocol/transfer.ts';
import { encodeChanges, type TreeChange } from '../protocol/tree-change.ts';
import { broadcast } from './broadcast.ts';
import type { IgnoreOptions } from './ignore-rules.ts';
import { LocalCache } from './local-cache.ts';
import { type LocalTree, readLocalTree } from './local-tree.ts';
import { OnePush } from './one-push.ts';

export interface PushOptions extends IgnoreOptions {
  /** Where to, relative to the work dir, in plain form. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Also removes what was never sent. */
  readonly mirror?: boolean | undefined;
  /** Changes nothing; the summary says what would be done. */
  readonly dryRun?: boolean | undefined;
  /** Default `auto`. */
  readonly compress?: Compression | 'auto' | undefined;
  /** Where what is known of trees is kept between pushes; absent: nowhere. */
  readonly cacheDirectory?: string | undefined;
  /** Told what was found here, before anything is sent. */
  readonly onTree?: ((tree: LocalTree) => void) | undefined;
  /** Told what will be done to each buildlet's tree. */
  readonly onPlan?: ((changes: readonly TreeChange[]) => void) | undefined;
  /** Which paths there are left alone, whatever is here. */
  readonly keeps?: ((path: string) => boolean) | undefined;
  /** The last word on what is done. */
  readonly adjust?: ((changes: TreeChange[]) => Promise<TreeChange[]>) | undefined;
  /** Told of bytes of files as they are sent, to all buildlets at once. */
  readonly onSent?: ((bytes: number) => void) | undefined;
}

export interface PushSummary {
  readonly changes: readonly TreeChange[];
  /** Files sent, and the bytes in them. */
  readonly files: number;
  readonly bytes: number;
  readonly removed: number;
  readonly wireBytes: number;
  /** Of the tree as it is now at both ends. */
  readonly digest: string;
}

/** How often a push begins anew because another one came between. */
const maxTries = 3;

/** Pushes the tree at `top`, a real path, to each buildlet; one result each, in their order. */
export async function push(
  clients: readonly BuildletClient[],
  top: string,
  options: PushOptions,
): Promise<PromiseSettledResult<PushSummary>[]> {
  const pushes = clients.map((client) => new OnePush(client, options));
  // The buildlets look while we look here.
  for (const one of pushes) one.open();
  const tree = await readLocalTree(top, options);
  options.onTree?.(tree);
  const cache = new LocalCache(options.cacheDirectory, top, 'push');
  const run = new PushRun(tree, cache, options);
  const results = await run.all(pushes);
  run.save();
  return pushes.map((one, index): PromiseSettledResult<PushSummary> => {
    const result = results[index];
    if (result?.status === 'rejected') return result;
    return { status: 'fulfilled', value: one.summary(tree, cache) };
  });
}

class PushRun {
  readonly #tree: LocalTree;
  readonly #cache: LocalCache;
  readonly #options: PushOptions;
  #hasSent = false;
  #isSaved = false;

  constructor(tree: LocalTree, cache: LocalCache, options: PushOptions) {
    this.#tree = tree;
    this.#cache = cache;
    this.#options = options;
  }

  /** Keeps what was learned, once. */
  save(): void {
    if (this.#isSaved) return;
    this.#isSaved = true;
    this.#cache.save(this.#tree.entries, this.#hasSent);
  }

  async all(pushes: readonly OnePush[]): Promise<PromiseSettledResult<void>[]> {
    const plans = await Promise.allSettled(pushes.map((one) => this.#plan(one)));
    if (this.#options.dryRun) return plans.map(withoutValue);
    // Those that get the same share one reading of the files.
    const groups = new Map<string | OnePush, OnePush[]>();
    plans.forEach((plan, index) => {
      const one = pushes[index];
      if (one === undefined || plan.status === 'rejected' || plan.value === '') return;
      const key = one.takesStream ? plan.value : one;
      groups.set(key, [...(groups.get(key) ?? []), one]);
    });
    const sent = new Map<OnePush, Promise<void>>();
    for (const group of groups.values()) {
      for (const [one, result] of this.#send(group)) sent.set(one, result);
    }
    const results = await Promise.allSettled(pushes.map((one) => sent.get(one)));
    return plans.map((plan, index) =>
      plan.status === 'rejected' ? plan : withoutValue(results[index]),
    );
  }

  async #plan(one: OnePush): Promise<string> {
    const changes = await one.plan(this.#tree, this.#cache);
    this.#options.onPlan?.(changes);
    return encodeChanges(changes);
  }

  /** Sends the same changes to all of the group. */
  #send(group: readonly OnePush[]): Map<OnePush, Promise<void>> {
    const [first] = group;
    const changes = first?.changes ?? [];
    let proof = '';
    const source = this.#pieces(changes, (sha256) => {
      proof = sha256;
    });
    const outputs = broadcast(source, group.length);
    return new Map(
      group.map((one, index) => {
        const output = outputs[index];
        const pieces = () => output ?? source;
        const sent = one
          .send({ pieces, proof: () => proof }, this.#tree, this.#cache)
          .finally(() => output?.release());
        return [one, sent.catch((error: unknown) => this.#again(one, error))];
      }),
    );
  }

  /** Another push came between: what is there has to be looked at anew. */
  async #again(one: OnePush, error: unknown): Promise<void> {
    const isConflict = error instanceof StatusError && error.status === 409;
    if (!isConflict || ++one.tries >= maxTries) throw error;
    one.open();
    if ((await this.#plan(one)) !== '') await this.#send([one]).get(one);
  }

  async *#pieces(
    changes: readonly TreeChange[],
    onProof: (sha256: string) => void,
  ): AsyncGenerator<Uint8Array> {
    const { top, entries, readMs } = this.#tree;
    const found = new Map(entries.map((entry) => [entry.path, entry]));
    this.#hasSent = true;
    const pieces = sendTree(top, changes, {
      onProof,
      onDigest: ({ path, size }, sha256) => {
        const entry = found.get(path);
        if (entry !== undefined) this.#cache.learn(entry, sha256, readMs);
        this.#options.onSent?.(size);
      },
    });
    for (const piece of pieces) {
      yield piece;
      this.#options.signal.throwIfAborted();
    }
    // While the buildlet is busy with the last of it.
    setImmediate(() => this.save());
  }
}

function withoutValue(
  result: PromiseSettledResult<unknown> | undefined,
): PromiseSettledResult<void> {
  return result?.status === 'rejected' ? result : { status: 'fulfilled', value: undefined };
}
