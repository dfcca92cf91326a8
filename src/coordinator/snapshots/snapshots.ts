// The snapshots of a coordinator: each user's own, within limits, and shared with all users on request.
import { hash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { emptyWorkDir, restoreArchives, saveArchives } from '../../backends/snapshots/archives.ts';
import { SnapshotStore } from '../../backends/snapshots/store.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, messageOf } from '../../errors.ts';
import { makePrivateDirectory } from '../../files/private-directory.ts';
import { isTag, type Snapshot, splitOwner, unknownSnapshot } from '../../protocol/snapshot.ts';
import type { Log } from '../log.ts';
import type { Session } from '../sessions/session.ts';
import { Turns } from '../state/turns.ts';
import type { User } from '../state/user-records.ts';
import { type ImagePlaces, type SnapshotImage, SnapshotImages } from './images.ts';
import { type Kept, toRemove } from './least-used.ts';
import { checkSize, type SnapshotLimits, sizeWatch } from './size-watch.ts';

interface SnapshotsOptions extends SnapshotLimits {
  readonly stateDirectory: string;
  /** What tells a user from another one who has the name later. */
  readonly lifeOf: (user: string) => string;
  readonly audit: Log;
  readonly log: Log;
  /** Called when the coordinator is complete. */
  readonly places: () => ImagePlaces;
}

/** A request to keep one. */
export interface NewSnapshot {
  readonly tag: string;
  /** `image`: also the whole file system of the machine. */
  readonly kind: Snapshot['kind'];
  readonly exclude: readonly string[];
  readonly maxBytes: number;
  readonly isShared: boolean;
  /** Whether it is removed before all others to make room. */
  readonly isAutomatic: boolean;
}

/** Who works on which buildlet. */
interface Work {
  readonly user: User;
  readonly session: Session;
  readonly client: BuildletClient;
  readonly signal: AbortSignal;
}

/** A snapshot with its place. */
interface Found extends Kept {
  readonly snapshot: Snapshot;
}

/** The buildlet's pool is the coordinator's business: clients put their own name of the coordinator here. */
const unnamed = '';

/** No room's name. */
const naming = 'naming';

export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #root: string;
  readonly #images: SnapshotImages;
  readonly #stores = new Map<string, SnapshotStore>();
  /** Those that buildlets are made from at the moment, which are not removed to make room. */
  readonly #read: Kept[] = [];
  /** The last work of each room that makes a snapshot: each user makes one at a time. Of `naming`: that gives one its name. */
  readonly #turns = new Turns();

  /** Undefined when none are to be kept. */
  static async open(options: SnapshotsOptions): Promise<Snapshots | undefined> {
    if (options.limitBytes === 0) return undefined;
    const opened = new Snapshots(options);
    makePrivateDirectory(opened.#root, 'the directory of snapshots');
    // Nobody else uses the state directory.
    for (const room of opened.#rooms()) await opened.#storeOf(room).sweep(true);
    return opened;
  }

  private constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#root = join(options.stateDirectory, 'snapshots');
    this.#images = new SnapshotImages(options);
  }

  /** Call it once images can be removed: those that an earlier coordinator has left undone are. */
  start(): void {
    this.#images.sweep((id, { room, tag }) => {
      if (!isTag(tag) || !this.#rooms().includes(room)) return false;
      const store = this.#storeOf(room);
      return store.find(tag)?.image === id || store.isUnreadable(tag);
    });
  }

  close(): void {
    this.#images.close();
  }

  #roomOf(user: string): string {
    return hash('sha256', this.#options.lifeOf(user), 'hex').slice(0, 32);
  }

  #storeOf(room: string): SnapshotStore {
    const store = this.#stores.get(room) ?? new SnapshotStore(join(this.#root, room));
    this.#stores.set(room, store);
    return store;
  }

  #rooms(): string[] {
    return readdirSync(this.#root).filter((name) => /^[0-9a-f]{32}$/.test(name));
  }

  /** Those of all users, also of former ones. */
  get all(): Found[] {
    return this.#rooms().flatMap((room) =>
      this.#storeOf(room)
        .list()
        .map((snapshot) => ({ room, snapshot })),
    );
  }

  /** Those that the user may begin buildlets with; of everybody, for an admin who asks. */
  list(user: User, everybody: boolean): Snapshot[] {
    const own = this.#roomOf(user.name);
    return this.all
      .filter(({ room, snapshot }) => {
        const isOfUser = room === this.#roomOf(snapshot.owner ?? '');
        return room === own || (isOfUser && (snapshot.isShared || (everybody && user.isAdmin)));
      })
      .map(({ room, snapshot }) => (room === own ? snapshot : named(snapshot)));
  }

  /**
   * By the name that the user has for it. What another user does not share is as unknown as what there is not.
   *
   * @param isAdmin Whether all are the user's to see.
   */
  #find({ name: user }: User, name: string, isAdmin = false): Found {
    const { tag, owner = user } = splitOwner(name);
    const room = this.#roomOf(owner);
    const snapshot = this.#storeOf(room).find(tag);
    if (snapshot === undefined || !(owner === user || snapshot.isShared || isAdmin)) {
      throw unknownSnapshot(name);
    }
    return { room, snapshot };
  }

  /** Keeps what is in the work directory of the session's machine. */
  async create(
    { user, session, client, signal }: Work,
    { tag, kind, exclude, maxBytes, isShared, isAutomatic }: NewSnapshot,
  ): Promise<Snapshot> {
    const room = this.#roomOf(user.name);
    const store = this.#storeOf(room);
    store.checkFree(tag);
    const made = await this.#turns.take(room, async () => {
      signal.throwIfAborted();
      let image: { id: string; bytes: number } | undefined;
      const fill = async (directory: string) => {
        if (kind === 'image') image = await this.#images.keep(session, { room, tag }, signal);
        const onBytes = sizeWatch(this.#root, this.#options);
        const options = { exclude, limitBytes: maxBytes, onBytes, signal };
        const saved = await saveArchives(client, directory, options);
        const storedBytes = saved.storedBytes + (image?.bytes ?? 0);
        return {
          ...{ kind, backend: unnamed, buildlet: session.name, image: image?.id },
          ...{ builderType: session.builderType, hostType: session.hostType },
          ...{ ...saved, storedBytes, excluded: exclude, isAutomatic, owner: user.name, isShared },
        };
      };
      // One at a time: of two that are made together, the later one finds the other in the way.
      try {
        return await store.add(tag, fill, async ({ storedBytes }, name) => {
          return await this.#turns.take(naming, async () => {
            await this.#makeRoom(room, storedBytes);
            return await name();
          });
        });
      } catch (error) {
        if (image !== undefined) this.#images.removeLater(image.id);
        throw error;
      }
    });
    this.#note('snapshot-created', made, { name: session.name, shared: isShared });
    return made;
  }

  /** The image of the snapshot, for new machines; call `release` when they have it, or will not. */
  holdImage(user: User, name: string): { image: SnapshotImage; release: () => void } {
    const kept = this.#find(user, name);
    const { room, snapshot } = kept;
    if (snapshot.image === undefined) {
      throw new GomoteError('ERR_REQUEST', `the snapshot "${name}" has no image of a machine`);
    }
    const image = this.#images.get(snapshot.image);
    this.#storeOf(room).use(snapshot.tag);
    this.#read.push(kept);
    return { image, release: () => void this.#read.splice(this.#read.indexOf(kept), 1) };
  }

  /** Puts it into the work directory of a session's machine that is new. */
  async restore({ user, session, client, signal }: Work, name: string): Promise<Snapshot> {
    const kept = this.#find(user, name);
    const { room, snapshot } = kept;
    if (snapshot.image !== undefined && snapshot.image !== session.image) {
      const message = `"${session.name}" did not begin with the image of the snapshot "${name}": a newer gomote create --from does`;
      throw new GomoteError('ERR_CONFLICT', message);
    }
    const store = this.#storeOf(room);
    this.#read.push(kept);
    try {
      // An image may have a work directory of its own, of an earlier moment.
      if (snapshot.image !== undefined) await emptyWorkDir(client, signal);
      const { hasRecords } = snapshot;
      store.use(snapshot.tag);
      await restoreArchives(client, store.directory(snapshot.tag), { hasRecords, signal });
    } finally {
      this.#read.splice(this.#read.indexOf(kept), 1);
    }
    this.#note('snapshot-used', snapshot, { name: session.name });
    return snapshot;
  }

  async share(user: User, tag: string, isShared: boolean): Promise<Snapshot> {
    const { room, snapshot } = this.#own(user, tag);
    const changed = await this.#storeOf(room).change(snapshot.tag, { isShared });
    this.#note('snapshot-shared', changed, { shared: isShared });
    return changed;
  }

  /** Removes also one whose record cannot be read, which is in no list. */
  async remove(user: User, name: string): Promise<void> {
    const { tag, owner = user.name } = splitOwner(name);
    const own = this.#storeOf(this.#roomOf(owner));
    if ((owner === user.name || user.isAdmin) && own.isUnreadable(tag)) {
      await this.#clear(this.#roomOf(owner), tag);
      return this.#note('snapshot-removed', { tag, owner, storedBytes: 0 });
    }
    const { room, snapshot } = this.#own(user, name);
    await this.#clear(room, snapshot.tag);
    this.#note('snapshot-removed', snapshot);
  }

  /** Removes what has the name, together with its image. */
  async #clear(room: string, tag: string): Promise<void> {
    await this.#images.removeOf({ room, tag });
    await this.#storeOf(room).clear(tag);
  }

  /** One that the user may change. Throws ERR_NOT_OWNER for what others share. */
  #own(user: User, name: string): Found {
    const found = this.#find(user, name, user.isAdmin);
    if (found.room === this.#roomOf(user.name) || user.isAdmin) return found;
    throw new GomoteError('ERR_NOT_OWNER', `the snapshot "${name}" is another user's`);
  }

  /** Removes the least recently used ones until this many more bytes fit within both limits. */
  async #makeRoom(own: string, bytes: number, stuck: readonly Kept[] = []): Promise<void> {
    checkSize(bytes, this.#options);
    const all = [...this.all, ...this.#unreadable()];
    const held = [...this.#read, ...stuck];
    for (const { room, snapshot } of toRemove(all, { ...this.#options, own, bytes, held })) {
      try {
        await this.#clear(room, snapshot.tag);
      } catch (error) {
        // Its image is in use, or cannot be removed now: another one goes.
        const what = `removing the snapshot ${snapshot.tag}: ${messageOf(error)}`;
        this.#options.log.write('trouble', { what });
        return await this.#makeRoom(own, bytes, [...stuck, { room, snapshot }]);
      }
      this.#note('snapshot-removed', snapshot, { reason: 'to make room' });
    }
  }

  #unreadable(): Kept[] {
    return this.#rooms().flatMap((room) =>
      this.#storeOf(room)
        .unreadable()
        .map((found) => ({ room, snapshot: { ...found, owner: undefined, isAutomatic: false } })),
    );
  }

  #note(
    event: string,
    { tag, owner, storedBytes, kind }: NotedSnapshot,
    more: Parameters<Log['write']>[1] = {},
  ): void {
    this.#options.audit.write(event, { snapshot: tag, kind, owner, bytes: storedBytes, ...more });
  }
}

type NotedSnapshot = Pick<Snapshot, 'tag' | 'owner' | 'storedBytes'> &
  Partial<Pick<Snapshot, 'kind'>>;

/** As others call it. */
const named = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  tag: `${snapshot.tag}@${snapshot.owner}`,
});
