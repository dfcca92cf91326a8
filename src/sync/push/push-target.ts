// One buildlet as the target of a push: its remote tree, the plan, and the result.
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import type { TreeScope } from '../../client/files/trees.ts';
import { type GomoteError, StatusError } from '../../errors.ts';
import { isFileWrite, pathOf, type TreeChange } from '../../protocol/tree-change.ts';
import { type TreeEntry, treeDigest } from '../../protocol/tree-entry.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import { KnownStates } from '../local/known-states.ts';
import { withRemoteTree } from '../remote/open.ts';
import type { RemoteState, RemoteTree } from '../remote/remote-tree.ts';
import { withPatches } from './patches.ts';
import { planChanges } from './plan.ts';
import type { PushOptions } from './push-options.ts';
import type { PushSource, PushStream, StreamOptions } from './push-source.ts';
import {
  addRefused,
  holds,
  isBelow,
  refusedNames,
  replacedDirectories,
  unreadRemote,
} from './refused-paths.ts';
import { isOfUse, isStored, withPrepared, withStored } from './stored-contents.ts';

/** How often to check whether another push has ended, in ms. */
const busyMs = 200;

const emptyTree = treeDigest([]);

/** The result of a push. */
export interface PushSummary {
  /** The applied changes. */
  readonly changes: readonly TreeChange[];
  /** Files sent. */
  readonly files: number;
  /** The bytes in them. */
  readonly bytes: number;
  /** The number of removed paths. */
  readonly removed: number;
  /** The bytes transferred over the connection. */
  readonly wireBytes: number;
  /** Of the bytes in the files: those that a store had, which were not sent. */
  readonly storedBytes: number;
  /** By path: why it was not sent although no rule excludes it. */
  readonly unsent: ReadonlyMap<string, GomoteError>;
  /** The digest of the tree at both ends. */
  readonly digest: string;
}

/** A remote directory and its state. */
interface Opened {
  readonly remote: RemoteTree;
  readonly state: RemoteState;
}

export class PushTarget {
  changes: readonly TreeChange[] = [];
  /** Whether the remote state has been read, or reading it has failed. */
  isOpen = false;
  /** Whether it accepts a tree stream, once it is open. */
  takesStream = false;
  readonly #client: BuildletClient;
  readonly #options: PushOptions;
  #mayName: boolean;
  #takesNames = false;
  #mayAskStore = true;
  #isHeadKnown = false;
  /** The digest of the tree that was made ahead, if the changes begin with it. */
  #prepared: string | undefined;
  #opening: Promise<Opened>;
  #wireBytes = 0;
  /** What is not sent to this buildlet, and why. */
  #refused: ReadonlyMap<string, GomoteError> = new Map();

  /**
   * Begins to read the remote state.
   *
   * @param mayName Whether contents may be named instead of sent where the buildlet can open them.
   */
  constructor(client: BuildletClient, options: PushOptions, mayName: boolean) {
    this.#client = client;
    this.#options = options;
    this.#mayName = mayName;
    this.#opening = this.#open();
  }

  /** Whether everything there is compared, or only what was pushed. */
  get #scope(): TreeScope {
    return this.#options.mirror ? 'all' : 'pushed';
  }

  /** Whether it gets a stream that names contents, once it is open. */
  get takesNames(): boolean {
    return this.#mayName && this.#takesNames;
  }

  /** How the stream of the changes is to be made, once they are planned. */
  get streamOptions(): StreamOptions {
    return { isNamed: this.takesNames, areHeadsKnown: this.#isHeadKnown };
  }

  /** Whether the stream leaves out what is elsewhere: there by name, or in a store. */
  get leavesOut(): boolean {
    return this.takesNames || this.#isHeadKnown || this.changes.some(isStored);
  }

  /** Whether there is something to be done there. */
  get isDue(): boolean {
    return this.changes.length > 0 || this.#prepared !== undefined;
  }

  /** From now on, contents are sent: the buildlet finds other files by the names, or the store has lost some. */
  sendAll(): void {
    this.#mayName = false;
    this.#mayAskStore = false;
  }

  reopen(): void {
    this.#opening = this.#open();
  }

  #open(): Promise<Opened> {
    const { dir, compress = 'auto', signal } = this.#options;
    const onWire = (bytes: number) => {
      this.#wireBytes += bytes;
    };
    const options = { dir, compress, signal, onWire };
    const opening = withRemoteTree(this.#client, options, async (remote) => ({
      remote,
      state: await remote.state(this.#scope),
    }));
    const opened = (found?: Opened) => {
      this.isOpen = true;
      this.takesStream = found?.state.digest !== undefined;
      this.#takesNames = found?.state.takesNames === true;
    };
    opening.then(opened, () => opened());
    return opening;
  }

  /** The remote tree and its state, once no other push is changing it. */
  async #opened(): Promise<Opened> {
    const { signal, dryRun = false } = this.#options;
    for (;;) {
      const opened = await this.#opening;
      if (!opened.state.isBusy || dryRun) return opened;
      await sleep(busyMs, undefined, { signal });
      this.reopen();
    }
  }

  /** Whether the remote tree is empty, so that everything has to be sent, and no store can be asked for it. */
  async isNew(): Promise<boolean> {
    const { digest, whyNameRefused, hasStore, prepared } = (await this.#opened()).state;
    const asksStore = hasStore && this.#mayAskStore && !this.takesNames;
    const canSendAll = whyNameRefused === undefined && prepared === undefined && !asksStore;
    return digest === emptyTree && canSendAll;
  }

  async plan(source: PushSource): Promise<readonly TreeChange[]> {
    const { remote, state } = await this.#opened();
    const { mirror = false, force = false, keeps, adjust, onPlan } = this.#options;
    const { walk } = source;
    this.changes = [];
    this.#prepared = undefined;
    const compared = await this.#compared({ remote, state }, source);
    const { there } = compared;
    const unfit = new Map([...refusedNames(walk.entries, state), ...unreadRemote(remote)]);
    const here = compared.here.filter(({ path }) => !isBelow(unfit, path));
    const planned = planChanges<FoundEntry>(here, there, {
      digestOf: (entry) => source.digest(entry, remote.algorithm),
      times: state.times === undefined ? undefined : compared.times,
      // Of what was made ahead, nothing was there before.
      keeps: (path, isDirectory) =>
        this.#prepared === undefined &&
        (keeps?.(path) === true ||
          walk.keeps(path, isDirectory, mirror) ||
          isBelow(unfit, path) ||
          holds(path, remote.unread)),
    });
    const adjusted = (await adjust?.(planned)) ?? planned;
    const replaced =
      mirror || force ? new Map() : await replacedDirectories(adjusted, there, remote);
    this.#refused = new Map([...unfit, ...replaced]);
    const allowed = adjusted.filter((change) => !isBelow(this.#refused, pathOf(change)));
    const chunksOf = (path: string) => remote.chunks(path);
    this.changes =
      this.takesNames || this.#prepared !== undefined
        ? allowed.map(withoutPatch)
        : await withPatches(allowed, { top: walk.top, there, chunksOf });
    await this.#askStore({ remote, state }, source);
    onPlan?.(this.changes);
    return this.changes;
  }

  async #askStore({ remote, state }: Opened, source: PushSource): Promise<void> {
    this.#isHeadKnown = false;
    if (!state.hasStore || !this.#mayAskStore || this.takesNames || this.#options.dryRun) return;
    try {
      const { changes, isHeadKnown } = await withStored(this.changes, {
        digestOf: (entry) => source.digestOf(entry),
        ask: (head, files) => remote.stored(head, files),
      });
      this.changes = changes;
      this.#isHeadKnown = isHeadKnown;
    } catch (error) {
      // Without an answer, everything is sent.
      if (!(error instanceof StatusError)) throw error;
    }
  }

  /** The entries to compare: where the remote state is known here, only those that may differ. */
  async #compared(
    { remote, state }: Opened,
    { walk: { entries }, cache }: PushSource,
  ): Promise<{
    here: readonly FoundEntry[];
    there: readonly TreeEntry[];
    times: 'exact' | 'newer';
  }> {
    if (state.digest === emptyTree) {
      const prepared = this.#options.dryRun ? undefined : state.prepared;
      if (prepared === undefined) return { here: entries, there: [], times: 'exact' };
      const differing = cache.differing(entries, prepared.digest, prepared.times) ?? {
        here: entries,
        there: await remote.preparedEntries(),
      };
      if (!isOfUse(differing, entries.length)) return { here: entries, there: [], times: 'exact' };
      this.#prepared = prepared.digest;
      return { ...differing, times: 'exact' };
    }
    const { digest, times } = state;
    const differing = digest === undefined ? undefined : cache.differing(entries, digest, times);
    if (differing !== undefined) return { ...differing, times: 'exact' };
    // When everything there is compared, the times are those of the files.
    const how = this.#options.mirror ? 'newer' : 'exact';
    return { here: entries, there: await remote.entries(this.#scope), times: how };
  }

  async send(source: PushSource, stream: PushStream): Promise<void> {
    const { remote, state } = await this.#opened();
    const { mirror = false, force = false } = this.#options;
    const refused = await remote.apply({
      ...stream,
      top: source.walk.top,
      changes: this.changes,
      here: this.#sent(source.walk.entries),
      replacesDirectories: mirror || force,
      prepared: this.#prepared,
      isWhole: state.digest === emptyTree,
      digestOf: (entry) => source.digest(entry, remote.algorithm),
      onUnread: source.options.onUnread,
    });
    if (refused.length > 0) this.#refused = addRefused(this.#refused, refused);
  }

  /** The entries without those that this buildlet does not get. */
  #sent(entries: readonly FoundEntry[]): readonly FoundEntry[] {
    if (this.#refused.size === 0) return entries;
    return entries.filter(({ path }) => !isBelow(this.#refused, path));
  }

  /** Records the remote state for pulls, for which everything else here is somebody's work. */
  async remember({ walk, cache }: PushSource): Promise<void> {
    const entries = this.#sent(walk.entries);
    const { dir, cacheDirectory } = this.#options;
    const { identity, algorithm } = (await this.#opened()).remote;
    const known = new KnownStates(cacheDirectory, { top: walk.top, identity, dir });
    const digested = () =>
      entries.map((entry) => ({ ...entry, digest: cache.digest(entry, algorithm) ?? '' }));
    const removed = this.changes.flatMap((change) => (change.op === 'remove' ? change.path : []));
    known.savePushed(cache.treeDigest(entries, algorithm) ?? '', digested, removed);
  }

  summary({ walk, cache }: PushSource): PushSummary {
    const made =
      this.#prepared === undefined ? undefined : withPrepared(walk.entries, this.changes);
    const changes = (made ?? this.changes).filter(
      (change) => !isBelow(this.#refused, pathOf(change)),
    );
    const files = changes.filter(isFileWrite);
    return {
      changes,
      files: files.length,
      bytes: files.reduce((sum, { entry }) => sum + entry.size, 0),
      removed: changes.filter(({ op }) => op === 'remove').length,
      wireBytes: this.#wireBytes,
      storedBytes: changes.filter(isStored).reduce((sum, { entry }) => sum + entry.size, 0),
      unsent: new Map([...walk.unsent, ...this.#refused]),
      get digest() {
        return cache.treeDigest(walk.entries) ?? cache.treeDigest(walk.entries, 'sha1') ?? '';
      },
    };
  }
}

/** Copying a file on this machine costs no more than patching it. */
const withoutPatch = (change: TreeChange): TreeChange =>
  change.op === 'write' ? { op: 'write', entry: change.entry } : change;
