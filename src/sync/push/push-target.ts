// One buildlet as the target of a push: its remote tree, the plan, and the result.
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import type { TreeScope } from '../../client/files/trees.ts';
import type { GomoteError } from '../../errors.ts';
import { pathOf, type TreeChange } from '../../protocol/tree-change.ts';
import { type TreeEntry, treeDigest } from '../../protocol/tree-entry.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import { KnownStates } from '../local/known-states.ts';
import type { LocalCache } from '../local/local-cache.ts';
import type { LocalTree, LocalWalk } from '../local/local-tree.ts';
import { withRemoteTree } from '../remote/open.ts';
import type { RemoteState, RemoteTree } from '../remote/remote-tree.ts';
import { withPatches } from './patches.ts';
import { planChanges } from './plan.ts';
import type { PushOptions } from './push-options.ts';
import type { PushStream } from './push-stream.ts';
import { holds, isBelow, refusedNames, unreadThere, withRefused } from './refused-paths.ts';
import { replacedDirectories } from './replaced-directories.ts';

/** How often to check whether another push is over, in ms. */
const busyMs = 200;

const emptyTree = treeDigest([]);

/** What a push did, and what it could not send. */
export interface PushSummary {
  /** All that was done there. */
  readonly changes: readonly TreeChange[];
  /** Files sent. */
  readonly files: number;
  /** The bytes in them. */
  readonly bytes: number;
  /** How many paths were removed. */
  readonly removed: number;
  /** What passed over the connection for that, in bytes. */
  readonly wireBytes: number;
  /** By path, what was not sent though no rule leaves it out, and why. */
  readonly unsent: ReadonlyMap<string, GomoteError>;
  /** Of the tree as it is now at both ends. */
  readonly digest: string;
}

/** A directory there, and what was there when it was looked at. */
interface Opened {
  readonly remote: RemoteTree;
  readonly state: RemoteState;
}

export class PushTarget {
  readonly #client: BuildletClient;
  readonly #options: PushOptions;
  #mayName: boolean;
  #opening: Promise<Opened> | undefined;
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
  /** How often sending it has failed. */
  tries = 0;

  /**
   * @param mayName Whether contents are named where the buildlet can open them, in place of being sent.
   * @param onUnread Called for a file here that cannot be read, before that is thrown.
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

  /** Whether all that is there is compared, or only what was pushed. */
  get #scope(): TreeScope {
    return this.#options.mirror ? 'all' : 'pushed';
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

  /** From now on, contents are sent: the buildlet finds other files by the names. */
  giveUpNames(): void {
    this.#mayName = false;
  }

  /** Whether the remote state has been read, or reading it has failed. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Begins to read the remote state. */
  open(): void {
    const { dir, compress = 'auto', signal } = this.#options;
    const onWire = (bytes: number) => {
      this.#wireBytes += bytes;
    };
    const options = { dir, compress, signal, onWire };
    this.#opening = withRemoteTree(this.#client, options, async (remote) => ({
      remote,
      state: await remote.state(this.#scope),
    }));
    const opened = (found?: Opened) => {
      this.#isOpen = true;
      this.#takesNames = found?.state.takesNames === true;
    };
    this.#opening.then(opened, () => opened());
  }

  /** The remote tree and its state, once no other push is changing it. */
  async #opened(): Promise<Opened> {
    const { signal, dryRun = false } = this.#options;
    for (;;) {
      if (this.#opening === undefined) this.open();
      const opened = await this.#opening;
      if (opened === undefined) throw new Error('not opened');
      if (!opened.state.isBusy || dryRun) return opened;
      await sleep(busyMs, undefined, { signal });
      this.open();
    }
  }

  /** Whether the remote tree is empty, so that everything has to be sent. */
  async isNew(): Promise<boolean> {
    const { digest, whyNameRefused } = (await this.#opened()).state;
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

  /** Plans the changes. */
  async plan(tree: LocalWalk, cache: LocalCache): Promise<readonly TreeChange[]> {
    const { remote, state } = await this.#opened();
    const { mirror = false, force = false, keeps } = this.#options;
    this.#changes = [];
    this.#takesStream = state.digest !== undefined;
    const { here: all, there, times } = await this.#compared({ remote, state }, tree, cache);
    this.#there = there;
    this.#unfit = new Map([...refusedNames(tree.entries, state), ...unreadThere(remote)]);
    const here = all.filter(({ path }) => !isBelow(this.#unfit, path));
    const planned = planChanges<FoundEntry>(here, there, {
      digestOf: (entry) => this.#digest(entry, remote, cache),
      times: state.times === undefined ? undefined : times,
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

  /** The entries to compare: where the remote state is known here, only those that may differ. */
  async #compared(
    { remote, state }: Opened,
    { entries }: LocalTree,
    cache: LocalCache,
  ): Promise<{
    here: readonly FoundEntry[];
    there: readonly TreeEntry[];
    times: 'exact' | 'newer';
  }> {
    const { digest, times } = state;
    if (digest === emptyTree) return { here: entries, there: [], times: 'exact' };
    const differing = digest === undefined ? undefined : cache.differing(entries, digest, times);
    if (differing !== undefined) return { ...differing, times: 'exact' };
    // Of all that is there, the times are those of the files.
    const how = this.#options.mirror ? 'newer' : 'exact';
    return { here: entries, there: await remote.entries(this.#scope), times: how };
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
    const { remote } = await this.#opened();
    const { mirror, force } = this.#options;
    const refused = await remote.apply({
      ...stream,
      top,
      changes: this.#changes,
      here: this.#sent(entries),
      replacesDirectories: mirror === true || force === true,
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
    const { identity, algorithm } = (await this.#opened()).remote;
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
