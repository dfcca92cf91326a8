// New sessions: who may have one, under which name, and its making, once for each key.
import type { BuilderType, Catalogue } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import { nextName, type UsedNames } from '../../files/used-names.ts';
import { unknownTypeText } from '../../protocol/endpoints.ts';
import type { Log } from '../log.ts';
import type { MachineAllocator } from '../pools/machine-allocator.ts';
import type { AcquireCall } from '../pools/pool.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { User } from '../state/users.ts';
import { Creation } from './creation.ts';
import { applied, type Limits, nameStem, type Session } from './session.ts';
import type { SessionTransitions } from './session-transitions.ts';
import type { Sharing } from './sharing.ts';

export interface AdmissionOptions {
  readonly book: SessionBook;
  /** Which names were given before. Absent: those of sessions that have ended may be given again. */
  readonly names?: UsedNames | undefined;
  readonly sessions: SessionTransitions;
  /** What can be asked for. */
  readonly catalogue: Catalogue;
  readonly allocatorOf: (hostType: string) => MachineAllocator;
  /** How many buildlets a user may have at once, if the user has no limit of its own. */
  readonly perUser: number;
  readonly limits: Limits;
  readonly audit: Log;
  /** Whether a name cannot be given. */
  readonly isTaken: (name: string) => boolean;
  /** Tells other coordinators of a new session; see Sharing. */
  readonly publish: Sharing['publish'];
}

/** How long a create goes on for a client that lost its connection and may ask again with its key, in ms. */
const retryGraceMs = 20_000;

export class Admission {
  readonly #options: AdmissionOptions;
  /** Sessions whose client does not know of them yet, by name. */
  readonly #creations = new Map<string, Creation>();
  /** Set once no more are admitted. */
  isClosed = false;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * Makes a session for the user, or joins in the making of the one that the key was first given with. Throws
   * ERR_UNKNOWN_TYPE, ERR_QUOTA, and ERR_CLOSED.
   */
  create(user: User, builderType: string, key: string | undefined): Creation {
    const { catalogue, sessions } = this.#options;
    const builder = catalogue.builders.find(({ name }) => name === builderType);
    if (builder === undefined) {
      throw new GomoteError('ERR_UNKNOWN_TYPE', unknownTypeText);
    }
    const known = key === undefined ? undefined : this.#madeWith(user, key);
    if (known !== undefined) return known;
    if (this.isClosed) throw new GomoteError('ERR_CLOSED', 'the coordinator is restarting');
    const { name } = this.#reserve(user, builder, key);
    const creation = new Creation({
      make: (call) => this.#make(name, call),
      discard: (session) => {
        this.#creations.delete(session.name);
        sessions
          .end(session.name, 'nobody took it')
          .catch(sessions.trouble(`ending ${session.name}`));
      },
      graceMs: key === undefined ? 0 : retryGraceMs,
    });
    this.#creations.set(name, creation);
    return creation;
  }

  /** The creation under way with that key, or one that gives the session which was made, be it before a restart. */
  #madeWith(user: User, key: string): Creation | undefined {
    const session = this.#options.book
      .all()
      .find((one) => one.key === key && one.owner === user.name && one.state !== 'ending');
    if (session === undefined) return undefined;
    return (
      this.#creations.get(session.name) ??
      new Creation({ make: async () => session, discard: () => undefined, graceMs: 0 })
    );
  }

  #reserve(user: User, builder: BuilderType, key: string | undefined): Session {
    const { book, perUser, isTaken, names } = this.#options;
    const limit = user.maximum ?? perUser;
    const isHeld = ({ owner, state }: Session) =>
      owner === user.name && (state === 'creating' || state === 'running');
    const own = book.all().filter(isHeld);
    if (own.length >= limit) {
      const message = `you have ${own.length} buildlets, and your limit is ${limit}: destroy one first`;
      throw new GomoteError('ERR_QUOTA', message);
    }
    const now = Date.now();
    const session: Session = {
      name: nextName(nameStem(user.name, builder.name), names, isTaken),
      owner: user.name,
      builderType: builder.name,
      hostType: builder.hostType,
      state: 'creating',
      createdMs: now,
      expiresMs: now,
      key,
      isClaimed: false,
    };
    book.note(session);
    return session;
  }

  async #make(name: string, call: AcquireCall): Promise<Session> {
    const { book, sessions, audit, allocatorOf, publish, limits } = this.#options;
    const session = sessions.get(name);
    const { owner, hostType } = session;
    const allocator = allocatorOf(hostType);
    let machine: string | undefined;
    let current = name;
    try {
      // Written ahead: after a crash a machine that no session names is an orphan.
      await book.save(session);
      machine = await allocator.allocate(owner, call);
      call.signal.throwIfAborted();
      const granted = applied(session, { kind: 'granted', machine }, Date.now(), limits);
      const running = await publish(granted, call, (from, isTaken) => {
        current = this.#rename(from, isTaken);
        return current;
      });
      call.signal.throwIfAborted();
      await sessions.save(running);
      audit.write('create', { name: running.name, owner, machine, outcome: 'ok' });
      return running;
    } catch (error) {
      audit.write('create', { name, owner, outcome: String(error) });
      if (machine !== undefined) void allocator.giveBack(machine);
      this.#creations.delete(current);
      await sessions.abandon(current);
      throw error;
    }
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

  /** Ends what is being made with the key, at once; a session whose client got its name stays. */
  cancel(user: User, key: string): void {
    for (const { name, owner, key: other } of this.#options.book.all()) {
      if (owner === user.name && other === key) this.#creations.get(name)?.abandon();
    }
  }

  /** A client got the session's name: it is the user's from then on. */
  async claim(name: string): Promise<void> {
    const { book, sessions } = this.#options;
    this.#creations.get(name)?.claim();
    this.#creations.delete(name);
    if (book.get(name)?.isClaimed === false) await sessions.apply(name, { kind: 'claimed' });
  }
}
