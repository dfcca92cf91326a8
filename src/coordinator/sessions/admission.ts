// Creates sessions: quotas, names, and idempotency by key.
import type { BuilderType, Catalogue } from '../../builders.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { nextName, type UsedNames } from '../../files/used-names.ts';
import { plural } from '../../plural.ts';
import { unknownTypeText } from '../../protocol/endpoints.ts';
import type { Labels, WantedLabels } from '../../protocol/labels.ts';
import { levelOf, type Priority } from '../../protocol/priority.ts';
import type { Log } from '../log.ts';
import type { MachineAllocator } from '../pools/machine-allocator.ts';
import type { AllocateCall, MachineQueue } from '../pools/machine-queue.ts';
import type { LentMachine } from '../pools/request.ts';
import type { SnapshotImage } from '../snapshots/images.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { User } from '../state/user-records.ts';
import { Creation, type CreationCall } from './creation.ts';
import { applied, type Limits, nameStem, type Session } from './session.ts';
import type { SessionTransitions } from './session-transitions.ts';
import type { Sharing } from './sharing.ts';
import { waitingText } from './waiting-text.ts';

export interface AdmissionOptions {
  readonly book: SessionBook;
  /** Which names were given before. Absent: those of sessions that have ended may be given again. */
  readonly names?: UsedNames | undefined;
  readonly sessions: SessionTransitions;
  /** What can be asked for, at this moment. */
  readonly catalogueOf: () => Catalogue;
  readonly allocatorOf: (pool: string) => MachineAllocator;
  readonly queueOf: (hostType: string) => MachineQueue;
  /** Of how many buildlets at once, and of priorities, for users who have no limits of their own. They may change. */
  readonly limits: Limits & { readonly perUser: number; readonly priority: Priority };
  readonly audit: Log;
  /** Whether a name cannot be given. */
  readonly isTaken: (name: string) => boolean;
  /** Tells other coordinators of a new session; see Sharing. */
  readonly publish: Sharing['publish'];
}

/** What is asked for beside the type. */
export interface Wanted {
  /** How many: all of them or none. */
  readonly count: number;
  /** What the client chose so that asking again gives the same sessions. */
  readonly key: string | undefined;
  readonly labels?: Labels | undefined;
  /** The labels that the machines must have. */
  readonly machineLabels: WantedLabels;
  /** What the machines begin with. Absent: the image of the host type. */
  readonly image?: SnapshotImage | undefined;
  /** How much it is in a hurry. Absent: normal, or what is allowed. */
  readonly priority?: Priority | undefined;
}

/** How long a create continues for a client that lost its connection and may ask again with its key, in ms. */
const retryGraceMs = 20_000;

export class Admission {
  readonly #options: AdmissionOptions;
  /** Sessions whose client does not know of them yet, by name; those of one creation have it in common. */
  readonly #creations = new Map<string, Creation>();
  /** Set once no more are admitted. */
  isClosed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * Makes sessions for the user, or joins in the making of those that the key was first given with. Throws
   * ERR_UNKNOWN_TYPE, ERR_QUOTA, and ERR_CLOSED.
   */
  create(user: User, builderType: string, wanted: Wanted): Creation {
    const { catalogueOf, sessions } = this.#options;
    const builder = catalogueOf().builders.find(({ name }) => name === builderType);
    if (builder === undefined) {
      throw new GomoteError('ERR_UNKNOWN_TYPE', unknownTypeText);
    }
    const known = this.#madeWith(user, wanted);
    if (known !== undefined) return known;
    if (this.isClosed) throw new GomoteError('ERR_CLOSED', 'the coordinator is restarting');
    const priority = this.#priorityOf(user, wanted);
    this.#refuseUnsatisfiable(user, builder, wanted);
    const names = this.#reserve(user, builder, wanted);
    const creation = new Creation({
      make: (call) => {
        const { machineLabels, image } = wanted;
        return this.#make(names, { wanted: machineLabels, priority, image }, call);
      },
      discard: (made) => {
        for (const { name } of made) {
          this.#creations.delete(name);
          sessions.end(name, 'nobody took it').catch(sessions.trouble(`ending ${name}`));
        }
      },
      graceMs: wanted.key === undefined ? 0 : retryGraceMs,
    });
    for (const name of names) this.#creations.set(name, creation);
    return creation;
  }

  /** The creation under way with that key, or one that gives the sessions which were made, be it before a restart. */
  #madeWith(user: User, { key, count }: Wanted): Creation | undefined {
    if (key === undefined) return undefined;
    const { book, sessions } = this.#options;
    const found = book
      .all()
      .filter((one) => one.key === key && one.owner === user.name && one.state !== 'ending');
    const [first] = found;
    if (first === undefined) return undefined;
    const creation = this.#creations.get(first.name);
    if (creation !== undefined) return creation;
    if (found.length === count) {
      return new Creation({ make: async () => found, discard: () => undefined, graceMs: 0 });
    }
    // A crash came between the writing of one and the next.
    for (const { name } of found) {
      sessions.end(name, 'its others were lost').catch(sessions.trouble(`ending ${name}`));
    }
    return undefined;
  }

  /** The user's number of buildlets, and the limit. */
  useOf(user: User): { readonly inUse: number; readonly maximum: number } {
    const { book, limits } = this.#options;
    const isHeld = ({ owner, state }: Session) =>
      owner === user.name && (state === 'creating' || state === 'running');
    return { inUse: book.all().filter(isHeld).length, maximum: user.maximum ?? limits.perUser };
  }

  /** Before a name is given: each is given once. */
  #refuseUnsatisfiable(user: User, { hostType }: BuilderType, wanted: Wanted): void {
    const { queueOf, audit } = this.#options;
    try {
      queueOf(hostType).refuseUnsatisfiable({ ...wanted, wanted: wanted.machineLabels });
    } catch (error) {
      const code = isGomoteError(error) ? error.code : 'other';
      audit.write('create', { owner: user.name, hostType, outcome: String(error), code });
      throw error;
    }
  }

  /** Throws ERR_QUOTA for a higher one than the user's. */
  #priorityOf(user: User, { priority }: Wanted): number {
    const highest = user.priority ?? (user.isAdmin ? 'high' : this.#options.limits.priority);
    const level = levelOf(priority ?? 'normal');
    if (level <= levelOf(highest)) return level;
    if (priority === undefined) return levelOf(highest);
    const message = `your creates have the priority ${highest} at most, not ${priority}`;
    throw new GomoteError('ERR_QUOTA', message);
  }

  #reserve(user: User, builder: BuilderType, wanted: Wanted): string[] {
    const { count, key, labels, image } = wanted;
    const { book, isTaken, names } = this.#options;
    const { inUse, maximum: limit } = this.useOf(user);
    if (inUse + count > limit) {
      const which = count === 1 ? '' : `, and ask for ${count}`;
      const next = count > limit ? 'ask for fewer' : 'destroy one first';
      const message = `you have ${plural(inUse, 'buildlet')}${which}, and your limit is ${limit}: ${next}`;
      throw new GomoteError('ERR_QUOTA', message);
    }
    return Array.from({ length: count }, () => {
      const now = Date.now();
      const name = nextName(nameStem(user.name, builder.name), names, isTaken);
      book.note({
        ...{ name, owner: user.name, builderType: builder.name, hostType: builder.hostType },
        ...{ state: 'creating', createdMs: now, expiresMs: now, key, labels, isClaimed: false },
        image: image?.id,
      });
      return name;
    });
  }

  async #make(
    names: readonly string[],
    request: Pick<AllocateCall, 'wanted' | 'priority' | 'image'>,
    call: CreationCall,
  ): Promise<Session[]> {
    const { book, sessions, audit, allocatorOf, queueOf } = this.#options;
    const wanted = names.map((name) => sessions.get(name));
    const [first] = wanted;
    if (first === undefined) return [];
    const { owner, hostType, createdMs } = first;
    const queue = queueOf(hostType);
    let machines: LentMachine[] = [];
    /** As they are called by now. */
    const current = [...names];
    try {
      // Written ahead: after a crash a machine that no session names is an orphan.
      await Promise.all(wanted.map((session) => book.save(session)));
      machines = await queue.allocate(owner, {
        ...request,
        ...{ count: names.length, signal: call.signal },
        onProgress: (step) =>
          call.onProgress(() => `${step}${waitingText(queue, owner, book.all())}`),
      });
      call.signal.throwIfAborted();
      const running: Session[] = [];
      for (const [at, session] of wanted.entries()) {
        const machine = machines[at];
        if (machine !== undefined) {
          running.push(await this.#publish(session, machine, call, current, at));
        }
      }
      call.signal.throwIfAborted();
      await Promise.all(running.map((session) => sessions.save(session)));
      for (const { name, machine } of running) {
        const waitedMs = Date.now() - createdMs;
        audit.write('create', { name, owner, machine, hostType, outcome: 'ok', waitedMs });
      }
      return running;
    } catch (error) {
      for (const name of current) {
        const code = isGomoteError(error) ? error.code : 'other';
        audit.write('create', { name, owner, hostType, outcome: String(error), code });
        this.#creations.delete(name);
      }
      for (const { pool, id } of machines) void allocatorOf(pool).giveBack(id);
      await Promise.all(current.map((name) => sessions.abandon(name)));
      throw error;
    }
  }

  /** Gives the session its machine, under a name that no other coordinator has given; notes the name. */
  async #publish(
    session: Session,
    { pool, id: machine }: LentMachine,
    { signal }: CreationCall,
    current: string[],
    at: number,
  ): Promise<Session> {
    const { limits, publish } = this.#options;
    const granted = applied(session, { kind: 'granted', pool, machine }, Date.now(), limits);
    return await publish(granted, { signal }, (from, isTaken) => {
      const name = this.#rename(from, isTaken);
      current[at] = name;
      return name;
    });
  }

  /** Gives a session that is being made another name. */
  #rename(from: string, isTakenElsewhere: (name: string) => boolean): string {
    const { book, sessions, isTaken, names } = this.#options;
    const session = sessions.get(from);
    const { owner, builderType } = session;
    const stem = nameStem(owner, builderType);
    const name = nextName(stem, names, (one) => isTaken(one) || isTakenElsewhere(one));
    const creation = this.#creations.get(from);
    this.#creations.delete(from);
    if (creation !== undefined) this.#creations.set(name, creation);
    book.note({ ...session, name });
    book.remove(from).catch(sessions.trouble(`forgetting ${from}`));
    return name;
  }

  /** Ends what is being made with the key, at once; sessions whose client got their names stay. */
  cancel(user: User, key: string): void {
    for (const { name, owner, key: other } of this.#options.book.all()) {
      if (owner === user.name && other === key) this.#creations.get(name)?.abandon();
    }
  }

  /** Ends what is being made under the name, with all that is made together with it. */
  abandon(name: string): boolean {
    if (this.#options.book.get(name)?.state !== 'creating') return false;
    this.#creations.get(name)?.abandon();
    return true;
  }

  /** A client got the session's name: it is the user's from then on. */
  async claim(name: string): Promise<void> {
    const { book, sessions } = this.#options;
    this.#creations.get(name)?.claim();
    this.#creations.delete(name);
    if (book.get(name)?.isClaimed === false) await sessions.apply(name, { kind: 'claimed' });
  }
}
