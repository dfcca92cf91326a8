// One buildlet's part of a push: what is there, what has to be done, and what came of it.
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import type { GomoteError } from '../../errors.ts';
import { pathOf, type TreeChange } from '../../protocol/tree-change.ts';
import { type TreeEntry, treeDigest } from '../../protocol/tree-entry.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import { KnownStates } from '../local/known-states.ts';
import type { LocalCache } from '../local/local-cache.ts';
import type { LocalTree, LocalWalk } from '../local/local-tree.ts';
import { openRemoteTree } from '../remote/open.ts';
import type { RemoteTree } from '../remote/remote-tree.ts';
import { withPatches } from './patches.ts';
import { planChanges } from './plan.ts';
import type { PushOptions } from './push-options.ts';
import type { PushStream } from './push-stream.ts';
import { holds, isBelow, refusedNames, unreadThere, withRefused } from './refused-paths.ts';
import { replacedDirectories } from './replaced-directories.ts';

/** How often we look whether another push is over, in ms. */
const busyMs = 200;

const emptyTree = treeDigest([]);

export interface PushSummary {
  readonly changes: readonly TreeChange[];
  /** Files sent, and the bytes in them. */
  readonly files: number;
  readonly bytes: number;
  readonly removed: number;
  readonly wireBytes: number;
  /** By path, what was not sent though no rule leaves it out, and why. */
  readonly unsent: ReadonlyMap<string, GomoteError>;
  /** Of the tree as it is now at both ends. */
  readonly digest: string;
}

export class OnePush {
  readonly #client: BuildletClient;
  readonly #options: PushOptions;
  #mayName: boolean;
  #opening: Promise<RemoteTree> | undefined;
  #changes: readonly TreeChange[] = [];
  #there: readonly TreeEntry[] = [];
  #takesStream = false;
  #takesNames = false;
  #isOpen = false;
  #wireBytes = 0;
  /** What this buildlet's tree does not get, and why. */
  #refused: ReadonlyMap<string, GomoteError> = new Map();
  /** Of those, what it cannot get for its name, or what cannot be read there. */
  #unfit: ReadonlyMap<string, GomoteError> = new Map();
  readonly #onUnread: (path: string, error: unknown) => void;
  /** How often it was sent in vain. */
  tries = 0;

  /**
   * @param mayName Whether contents are named where the buildlet can open them, in place of being sent.
   * @param onUnread Told of a file here that cannot be read, before that is thrown.
   */
  constructor(
    client: BuildletClient,
    options: PushOptions,
    { mayName, onUnread }: { mayName: boolean; onUnread: (path: string, error: unknown) => void },
  ) {
    this.#client = client;
    this.#options = options;
    this.#mayName = mayName;
    this.#onUnread = onUnread;
  }

  get changes(): readonly TreeChange[] {
    return this.#changes;
  }

  /** Whether its buildlet takes a tree stream, once it has been planned. */
  get takesStream(): boolean {
    return this.#takesStream;
  }

  /** Whether it gets a stream that names its contents, once it is open. */
  get takesNames(): boolean {
    return this.#mayName && this.#takesNames;
  }

  /** From now on, contents are sent: the buildlet has others by the names. */
  giveUpNames(): void {
    this.#mayName = false;
  }

  /** Whether it is known what is there, or why that cannot be known. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Begins to look at what is there. */
  open(): void {
    const { dir, mirror, force, compress = 'auto', signal } = this.#options;
    this.#opening = openRemoteTree(this.#client, {
      dir,
      scope: mirror ? 'all' : 'pushed',
      replacesDirectories: mirror === true || force === true,
      compress,
      signal,
      onWire: (bytes) => {
        this.#wireBytes += bytes;
      },
    });
    const opened = (remote?: RemoteTree) => {
      this.#isOpen = true;
      this.#takesNames = remote?.takesNames === true;
    };
    this.#opening.then(opened, () => opened());
  }

  /** What is there, once no other push is changing it. */
  async #remote(): Promise<RemoteTree> {
    const { signal, dryRun = false } = this.#options;
    for (;;) {
      if (this.#opening === undefined) this.open();
      const remote = await this.#opening;
      if (remote === undefined) throw new Error('not opened');
      if (!remote.isBusy || dryRun) return remote;
      await sleep(busyMs, undefined, { signal });
      this.open();
    }
  }

  /** Whether nothing is there, so that all that is here has to be sent. */
  async isNew(): Promise<boolean> {
    const { digest, whyNameRefused } = await this.#remote();
    return digest === emptyTree && whyNameRefused === undefined;
  }

  /** As {@link plan} and {@link send} where nothing is there: `pieces` tell in the end what they were of. */
  async sendNew(
    stream: PushStream & { changes: () => readonly TreeChange[] },
    tree: LocalTree,
    cache: LocalCache,
  ): Promise<void> {
    await this.send(stream, tree, cache);
    this.#changes = stream.changes();
  }

  /** What has to be done. */
  async plan(tree: LocalWalk, cache: LocalCache): Promise<readonly TreeChange[]> {
    const remote = await this.#remote();
    const { mirror = false, force = false, keeps } = this.#options;
    this.#changes = [];
    this.#takesStream = remote.digest !== undefined;
    const { here: all, there, times } = await this.#compared(remote, tree, cache);
    this.#there = there;
    this.#unfit = new Map([...refusedNames(tree.entries, remote), ...unreadThere(remote)]);
    const here = all.filter(({ path }) => !isBelow(this.#unfit, path));
    const planned = planChanges<FoundEntry>(here, there, {
      digestOf: (entry) => this.#digest(entry, remote, cache),
      times: remote.times === undefined ? undefined : times,
      keeps: (path, isDirectory) =>
        keeps?.(path) === true ||
        tree.keeps(path, isDirectory, mirror) ||
        isBelow(this.#unfit, path) ||
        holds(path, remote.unread),
    });
    const adjusted = (await this.#options.adjust?.(planned)) ?? planned;
    const replaced =
      mirror || force ? new Map() : await replacedDirectories(adjusted, there, remote);
    this.#refused = new Map([...this.#unfit, ...replaced]);
    const allowed = adjusted.filter((change) => !isBelow(this.#refused, pathOf(change)));
    this.#changes = this.takesNames
      ? allowed.map(withoutPatch)
      : await withPatches(allowed, {
          top: tree.top,
          there: this.#there,
          chunksOf: (path) => remote.chunks(path),
        });
    return this.#changes;
  }

  /** What has to be compared: where it is known what is there, only what may differ. */
  async #compared(
    remote: RemoteTree,
    { entries }: LocalTree,
    cache: LocalCache,
  ): Promise<{
    here: readonly FoundEntry[];
    there: readonly TreeEntry[];
    times: 'exact' | 'newer';
  }> {
    const { digest, times } = remote;
    if (digest === emptyTree) return { here: entries, there: [], times: 'exact' };
    const differing = digest === undefined ? undefined : cache.differing(entries, digest, times);
    if (differing !== undefined) return { ...differing, times: 'exact' };
    // Of all that is there, the times are those of the files.
    const how = this.#options.mirror ? 'newer' : 'exact';
    return { here: entries, there: await remote.entries(), times: how };
  }

  #digest(entry: FoundEntry, { algorithm }: RemoteTree, cache: LocalCache): string | undefined {
    try {
      return cache.digest(entry, algorithm);
    } catch (error) {
      this.#onUnread(entry.path, error);
      throw error;
    }
  }

  async send(stream: PushStream, { top, entries }: LocalTree, cache: LocalCache): Promise<void> {
    const remote = await this.#remote();
    const refused = await remote.send({
      ...stream,
      top,
      changes: this.#changes,
      there: this.#there,
      here: this.#sent(entries),
      digestOf: (entry) => this.#digest(entry, remote, cache),
      onUnread: this.#onUnread,
    });
    if (refused.length > 0) this.#refused = withRefused(this.#refused, refused);
  }

  /** The entries without those that this buildlet's tree does not get. */
  #sent(entries: readonly FoundEntry[]): readonly FoundEntry[] {
    if (this.#refused.size === 0) return entries;
    return entries.filter(({ path }) => !isBelow(this.#refused, path));
  }

  /** Takes note of what is now there, for pulls: what else is here by then is somebody's work. */
  async remember({ top, entries: all }: LocalTree, cache: LocalCache): Promise<void> {
    const entries = this.#sent(all);
    const { dir, cacheDirectory } = this.#options;
    const { identity, algorithm } = await this.#remote();
    const known = new KnownStates(cacheDirectory, { top, identity, dir });
    const digested = () =>
      entries.map((entry) => ({ ...entry, digest: cache.digest(entry, algorithm) ?? '' }));
    const removed = this.#changes.flatMap((change) => (change.op === 'remove' ? change.path : []));
    known.savePushed(cache.treeDigest(entries, algorithm) ?? '', digested, removed);
  }

  summary(tree: LocalTree, cache: LocalCache): PushSummary {
    let [files, bytes, removed] = [0, 0, 0];
    const changes =
      this.#refused.size === 0
        ? this.#changes
        : this.#changes.filter((change) => !isBelow(this.#refused, pathOf(change)));
    for (const change of changes) {
      if (change.op === 'remove') removed++;
      if (change.op !== 'write' || change.entry.kind !== 'file') continue;
      files++;
      bytes += change.entry.size;
    }
    return {
      changes,
      files,
      bytes,
      removed,
      wireBytes: this.#wireBytes,
      unsent: new Map([...tree.unsent, ...this.#refused]),
      get digest() {
        return cache.treeDigest(tree.entries) ?? cache.treeDigest(tree.entries, 'sha1') ?? '';
      },
    };
  }
}

/** A file that is copied here costs no more than one made of parts of others there. */
const withoutPatch = (change: TreeChange): TreeChange =>
  change.op === 'write' ? { op: 'write', entry: change.entry } : change;
