// Plans and sends one walk of a local tree to one or more buildlets, and again when another push came between.
import { setTimeout as sleep } from 'node:timers/promises';
import { isGomoteError, StatusError } from '../../errors.ts';
import { encodeChanges, literalBytes, type TreeChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import type { LocalCache } from '../local/local-cache.ts';
import type { LocalWalk } from '../local/local-tree.ts';
import { broadcast } from './broadcast.ts';
import type { PushOptions } from './push-options.ts';
import { type Parts, type PushStream, pushStream } from './push-stream.ts';
import type { PushTarget } from './push-target.ts';

interface PushLoopOptions extends PushOptions {
  /** Called for a file that cannot be read, before that is thrown. */
  readonly onUnread: (path: string, error: unknown) => void;
}

/** How often a push starts again because the buildlet finds other files by the names. */
const maxTries = 3;
/** How often a push starts again because another one came between: each time, that one is done. */
const maxTurns = 200;
/** How far pushes that come at once are put apart, at most, in ms. */
const apartMs = 100;

/** How much may have been found before all of it is, and can be told: so much is soon sent, in bytes. */
const untoldBytes = 100e6;

export class PushLoop {
  readonly #walk: LocalWalk;
  readonly #cache: LocalCache;
  readonly #options: PushLoopOptions;
  #hasSent = false;
  #isSaved = false;
  #isTold = false;

  constructor(walk: LocalWalk, cache: LocalCache, options: PushLoopOptions) {
    this.#walk = walk;
    this.#cache = cache;
    this.#options = options;
  }

  /** Keeps what was learned, once. */
  save(): void {
    if (this.#isSaved || !this.#walk.isOver) return;
    this.#isSaved = true;
    this.#cache.save(this.#walk.entries, this.#hasSent);
  }

  async all(pushes: readonly PushTarget[]): Promise<PromiseSettledResult<void>[]> {
    const only = pushes.length === 1 ? pushes[0] : undefined;
    if (only !== undefined && (await this.#isNew(only))) {
      return await Promise.allSettled([this.#sendNew(only)]);
    }
    await this.#findAll();
    const plans = await Promise.allSettled(pushes.map((one) => this.#plan(one)));
    if (this.#options.dryRun) return plans.map(withoutValue);
    // Those that get the same share one reading of the files.
    const groups = new Map<string | PushTarget, PushTarget[]>();
    plans.forEach((plan, index) => {
      const one = pushes[index];
      if (one === undefined || plan.status === 'rejected' || plan.value.length === 0) return;
      const key = one.takesStream && one !== only ? encodeChanges(plan.value) : one;
      groups.set(key, [...(groups.get(key) ?? []), one]);
    });
    const sent = new Map<PushTarget, Promise<void>>();
    for (const group of groups.values()) {
      for (const [one, result] of this.#send(group)) sent.set(one, result);
    }
    const results = await Promise.allSettled(pushes.map((one) => sent.get(one)));
    return plans.map((plan, index) =>
      plan.status === 'rejected' ? plan : withoutValue(results[index]),
    );
  }

  /** Whether nothing is there yet; walks here until that is known. */
  async #isNew(one: PushTarget): Promise<boolean> {
    if (this.#options.dryRun || this.#options.adjust !== undefined) return false;
    while (!one.isOpen && !this.#walk.isOver) await this.#walk.walk();
    // The same error makes the plan fail.
    return await one.isNew().catch(() => false);
  }

  /** Sends the tree while it is walked. */
  async #sendNew(one: PushTarget): Promise<void> {
    const changes: TreeChange[] = [];
    const parts = this.#found(changes);
    const stream = { ...this.#stream(parts, one.takesNames), changes: () => changes };
    try {
      await one.sendNew(stream, this.#walk, this.#cache);
    } catch (error) {
      await this.#again(one, error);
    }
  }

  async #findAll(): Promise<void> {
    await this.#walk.finish();
    if (!this.#isTold) this.#options.onTree?.(this.#walk);
    this.#isTold = true;
  }

  /** What is to be sent, part by part, as it is found here; also put into `all`. */
  async *#found(all: TreeChange[]): AsyncGenerator<TreeChange[]> {
    let bytes = 0;
    for (let at = 0; ; ) {
      if (bytes >= untoldBytes) await this.#findAll();
      const isOver = this.#walk.isOver;
      const changes = this.#walk.entries
        .slice(at)
        .map((entry): TreeChange => ({ op: 'write', entry }));
      at += changes.length;
      all.push(...changes);
      for (const change of changes) bytes += literalBytes(change);
      if (isOver) {
        await this.#findAll();
        this.#options.onPlan?.(all);
      }
      yield changes;
      if (isOver) return;
      await this.#walk.walk();
    }
  }

  async #plan(one: PushTarget): Promise<readonly TreeChange[]> {
    const changes = await one.plan(this.#walk, this.#cache);
    this.#options.onPlan?.(changes);
    return changes;
  }

  /** Sends the same changes to all of the group. */
  #send(group: readonly PushTarget[]): Map<PushTarget, Promise<void>> {
    const [first] = group;
    const stream = this.#stream([first?.changes ?? []], first?.takesNames === true);
    const source = stream.pieces();
    const outputs = group.length > 1 ? broadcast(source, group.length) : [];
    return new Map(
      group.map((one, index) => {
        const output = outputs[index];
        const pieces = () => output ?? source;
        const sent = one
          .send({ ...stream, pieces }, this.#walk, this.#cache)
          .finally(() => output?.release());
        return [one, sent.catch((error: unknown) => this.#again(one, error))];
      }),
    );
  }

  /** Reads the remote state again: another push came between, or the buildlet finds other files by the names. */
  async #again(one: PushTarget, error: unknown): Promise<void> {
    const status = error instanceof StatusError ? error.status : undefined;
    // What fails when a file is copied there is found out here when it is sent.
    const isUnread = isGomoteError(error, 'ERR_LOST') || (status !== undefined && status !== 409);
    const isRefused = isUnread && one.takesNames;
    const isBetween = status === 409;
    const most = isBetween ? maxTurns : maxTries;
    if (!(isRefused || isBetween) || ++one.tries >= most) throw error;
    if (isRefused) one.giveUpNames();
    // Two pushes that collided must not collide again.
    if (isBetween)
      await sleep(Math.random() * apartMs, undefined, { signal: this.#options.signal });
    one.open();
    await this.#findAll();
    if ((await this.#plan(one)).length > 0) await this.#send([one]).get(one);
  }

  #stream(parts: Parts, isNamed: boolean): PushStream {
    this.#hasSent = true;
    const { signal, onSent, onUnread } = this.#options;
    return pushStream(this.#walk, parts, {
      isNamed,
      signal,
      onUnread,
      onDigest: (entry, sha256) => {
        if (isFound(entry)) this.#cache.learn(entry, sha256, this.#walk.readMs);
        onSent?.(entry.size);
      },
      // While the buildlet still works on the last part.
      onEnd: () => setImmediate(() => this.save()),
    });
  }
}

/** Whether it is an entry of the walk, which knows more than what is sent of it. */
const isFound = (entry: TreeEntry): entry is FoundEntry => 'stats' in entry;

function withoutValue(
  result: PromiseSettledResult<unknown> | undefined,
): PromiseSettledResult<void> {
  return result?.status === 'rejected' ? result : { status: 'fulfilled', value: undefined };
}
