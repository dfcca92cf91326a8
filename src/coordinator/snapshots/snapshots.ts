// The snapshots of a coordinator: each user's own, within limits, and shared with all users on request.
import { hash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { restoreArchives, saveArchives } from '../../backends/snapshots/archives.ts';
import { SnapshotStore } from '../../backends/snapshots/store.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError } from '../../errors.ts';
import { makePrivateDirectory } from '../../files/private-directory.ts';
import { type Snapshot, splitOwner, unknownSnapshot } from '../../protocol/snapshot.ts';
import type { Log } from '../log.ts';
import type { Session } from '../sessions/session.ts';
import { Turns } from '../state/turns.ts';
import type { User } from '../state/user-records.ts';
import { diskWatch } from './disk-watch.ts';
import { bytesOf, type Kept, leastUsed } from './least-used.ts';

interface SnapshotsOptions {
  /** How much all may take on disk; 0: none are kept. */
  readonly limitBytes: number;
  /** How much those of one user may take. */
  readonly perUserBytes: number;
  readonly stateDirectory: string;
  /** What tells a user from another one who has the name later. */
  readonly lifeOf: (user: string) => string;
  readonly audit: Log;
}

/** A request to keep one. */
export interface NewSnapshot {
  readonly tag: string;
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
    { tag, exclude, maxBytes, isShared, isAutomatic }: NewSnapshot,
  ): Promise<Snapshot> {
    const room = this.#roomOf(user.name);
    const store = this.#storeOf(room);
    store.checkFree(tag);
    const made = await this.#turns.take(room, async () => {
      signal.throwIfAborted();
      const fill = async (directory: string) => {
        const options = { exclude, limitBytes: maxBytes, onBytes: this.#watch(), signal };
        const saved = await saveArchives(client, directory, options);
        return {
          ...({ kind: 'files', backend: unnamed, buildlet: session.name } as const),
          ...{ builderType: session.builderType, hostType: session.hostType },
          ...{ ...saved, excluded: exclude, isAutomatic, owner: user.name, isShared },
        };
      };
      // One at a time: of two that are made together, the later one finds the other in the way.
      return await store.add(tag, fill, async ({ storedBytes }, name) => {
        return await this.#turns.take(naming, async () => {
          await this.#makeRoom(room, storedBytes);
          return await name();
        });
      });
    });
    this.#note('snapshot-created', made, { name: session.name, shared: isShared });
    return made;
  }

  /** Puts it into the work directory of a session's machine that is new. */
  async restore({ user, session, client, signal }: Work, name: string): Promise<Snapshot> {
    const kept = this.#find(user, name);
    const { room, snapshot } = kept;
    const store = this.#storeOf(room);
    this.#read.push(kept);
    try {
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
      await own.remove(tag);
      return this.#note('snapshot-removed', { tag, owner, storedBytes: 0 });
    }
    const { room, snapshot } = this.#own(user, name);
    await this.#storeOf(room).remove(snapshot.tag);
    this.#note('snapshot-removed', snapshot);
  }

  /** One that the user may change. Throws ERR_NOT_OWNER for what others share. */
  #own(user: User, name: string): Found {
    const found = this.#find(user, name, user.isAdmin);
    if (found.room === this.#roomOf(user.name) || user.isAdmin) return found;
    throw new GomoteError('ERR_NOT_OWNER', `the snapshot "${name}" is another user's`);
  }

  /** Ends the making of a snapshot that is more than a user may have, or that fills the disk. */
  #watch(): (bytes: number) => void {
    const { limitBytes, perUserBytes } = this.#options;
    const most = Math.min(limitBytes, perUserBytes);
    const watchDisk = diskWatch(this.#root);
    let bytes = 0;
    return (more) => {
      bytes += more;
      if (bytes > most) {
        throw new GomoteError('ERR_QUOTA', `a snapshot here may take ${most} bytes on disk`, {
          hint: 'leave files out with --exclude, or keep it on your machine with --here',
        });
      }
      watchDisk(more);
    };
  }

  /** Removes the least recently used ones until this many more bytes fit within both limits. */
  async #makeRoom(room: string, bytes: number): Promise<void> {
    const { limitBytes, perUserBytes } = this.#options;
    const all = [...this.all, ...this.#unreadable()];
    const isOfUser = (one: Kept) => one.room === room;
    const held = all.filter((one) => this.#isRead(one));
    const free = all.filter((one) => !held.includes(one));
    const forUser = perUserBytes - bytes - bytesOf(held.filter(isOfUser));
    const forAll = limitBytes - bytes - bytesOf(held);
    if (Math.min(forUser, forAll) < 0) {
      throw new GomoteError('ERR_QUOTA', 'snapshots that are in use leave no room for this one', {
        hint: 'try again later, or keep it on your machine with --here',
      });
    }
    const ofUser = leastUsed(free.filter(isOfUser), forUser);
    const left = free.filter((one) => !ofUser.includes(one));
    for (const { room, snapshot } of [...ofUser, ...leastUsed(left, forAll)]) {
      await this.#storeOf(room).clear(snapshot.tag);
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

  #isRead({ room, snapshot: { tag } }: Kept): boolean {
    return this.#read.some((one) => one.room === room && one.snapshot.tag === tag);
  }

  #note(
    event: string,
    { tag, owner, storedBytes }: Pick<Snapshot, 'tag' | 'owner' | 'storedBytes'>,
    more: Parameters<Log['write']>[1] = {},
  ): void {
    this.#options.audit.write(event, { snapshot: tag, owner, bytes: storedBytes, ...more });
  }
}

/** As others call it. */
const named = (snapshot: Snapshot): Snapshot => ({
  ...snapshot,
  tag: `${snapshot.tag}@${snapshot.owner}`,
});
