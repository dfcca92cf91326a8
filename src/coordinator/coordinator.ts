// Sessions over pools: who has which machine, and for how long. Without HTTP.
import type { Catalogue } from '../builders.ts';
import { GomoteError } from '../errors.ts';
import { deadBuildletText, unknownBuildletText } from '../protocol/endpoints.ts';
import { Changes } from './changes.ts';
import type { Log } from './log.ts';
import { MachineAdmin } from './pools/machine-admin.ts';
import type { MachineAllocator } from './pools/machine-allocator.ts';
import type { OpenedPool } from './pools/open-pools.ts';
import type { Pool, PoolImages } from './pools/pool.ts';
import { PoolTable, type PoolTableChange } from './pools/pool-table.ts';
import { Admission, type AdmissionOptions } from './sessions/admission.ts';
import { adoptSessions, withPools } from './sessions/adopt-sessions.ts';
import { ClockWatch, endExpired } from './sessions/expiry.ts';
import { MachineConnections } from './sessions/machine-connections.ts';
import type { Session } from './sessions/session.ts';
import { SessionTransitions } from './sessions/session-transitions.ts';
import { Sharing } from './sessions/sharing.ts';
import { Views } from './sessions/view.ts';
import type { Drains } from './state/drains.ts';
import type { SessionBook } from './state/session-book.ts';
import type { User } from './state/user-records.ts';

interface CoordinatorOptions {
  readonly catalogue: Catalogue;
  readonly book: SessionBook;
  readonly drains: Drains;
  readonly names: AdmissionOptions['names'];
  /** Whether the user exists here: sessions of unknown users, created by other coordinators, are left alone. */
  readonly isUser: (name: string) => boolean;
  /** Each with how many machines to keep ready ahead. */
  readonly pools: readonly OpenedPool[];
  readonly limits: AdmissionOptions['limits'];
  /** The interval of health checks of each machine, in ms. */
  readonly probeIntervalMs: number;
  /** How long a machine in use may be unreachable before its session is given up, in ms. */
  readonly graceMs: number;
  readonly log: Log;
  /** The audit trail. */
  readonly audit: Log;
  /** Whether the arguments of commands may be written and shown. */
  readonly auditArguments: boolean;
}

/** How long a session is kept after a restart when no client got its name, in ms. */
const unclaimedMs = 120_000;

/** The minimum interval between checks for expired sessions, in ms. */
const sweepIntervalMs = 60_000;

/** How far an expiry may go back in a crash, in ms: uses are recorded at this interval. */
const noteIntervalMs = 30_000;

/** The limits of a probe's time limit, in ms, which is otherwise the interval. */
const shortestProbeMs = 200;
const longestProbeMs = 10_000;

/** How long a list of sessions waits for those of other coordinators, in ms. */
const listWaitMs = 3_000;

/** The shortest time between two notifications of watchers, in ms. */
const changeIntervalMs = 250;

const sortedByName = (sessions: Session[]) => sessions.sort((a, b) => (a.name < b.name ? -1 : 1));

export class Coordinator {
  readonly machines: MachineAdmin;
  readonly views: Views;
  readonly admission: Admission;
  readonly changes = new Changes(changeIntervalMs);
  readonly #options: CoordinatorOptions;
  readonly #book: SessionBook;
  readonly #pools: PoolTable;
  readonly #machines: MachineConnections;
  readonly #sessions: SessionTransitions;
  readonly #sharing: Sharing;
  readonly #timers: NodeJS.Timeout[] = [];

  constructor(options: CoordinatorOptions) {
    const { book, log, audit, limits } = options;
    this.#options = options;
    this.#book = book;
    const onChange = () => this.changes.notify();
    this.#pools = new PoolTable(options.catalogue, options.pools, {
      onTrouble: (what) => log.write('trouble', { what }),
      onChange,
      onLost: (pool, id, reason) => this.#sessions.machineLost(pool, id, reason),
    });
    this.machines = new MachineAdmin({ ...options, allocators: this.#pools.allocators });
    const allocatorOf = (pool: string | undefined) => this.#pools.get(pool);
    const isShared = (pool: string | undefined) => this.#sharing.isShared(pool);
    this.#machines = new MachineConnections({
      probeTimeoutMs: Math.min(longestProbeMs, Math.max(shortestProbeMs, options.probeIntervalMs)),
      poolOf: (name) => allocatorOf(name).pool,
      onDead: (name, reason, how) => this.#sessions.lost(name, reason, how),
      graceMs: options.graceMs,
      ...{ onHealth: onChange, withArguments: options.auditArguments, log },
      isRunning: (name) => book.get(name)?.state === 'running',
    });
    const machines = this.#machines;
    this.views = new Views(book, this.#pools, machines);
    const onEnded = (session: Session) => this.#sharing.ended(session);
    this.#sessions = new SessionTransitions({
      ...{ book, limits, allocatorOf, isShared, machines, log, audit },
      ...{ onChange, onEnded },
    });
    const sessions = this.#sessions;
    this.#sharing = new Sharing({
      ...{ book, sessions, allocators: this.#pools.allocators, isUser: options.isUser },
      intervalMs: Math.min(noteIntervalMs, Math.max(limits.idleMs / 4, 10)),
      log,
    });
    this.admission = new Admission({
      ...{ book, names: options.names, sessions, catalogueOf: () => this.catalogue, allocatorOf },
      ...{ limits, audit, queueOf: (hostType) => this.#pools.queueOf(hostType) },
      isTaken: (name) => this.#sharing.isTaken(name),
      publish: (session, call, rename) => this.#sharing.publish(session, call, rename),
    });
  }

  /** Builder types that there are machines for. */
  get catalogue(): Catalogue {
    return this.#pools.catalogue;
  }

  /** Runs the work in the background and logs its failure. */
  readonly #detach = (work: Promise<unknown>, what: string): void =>
    void work.catch(this.#sessions.trouble(what));

  poolOf({ pool }: Session): Pool {
    return this.#pools.get(pool).pool;
  }

  imagesAt(place: string): PoolImages | undefined {
    return this.#pools.all.find(({ pool }) => pool.images?.place === place)?.pool.images;
  }

  /** Why no buildlet can be created: this coordinator is ending, or pools cannot provide machines. */
  get troubles(): string[] {
    return this.admission.isClosed ? ['the coordinator is ending'] : this.#pools.closed;
  }

  /** Pools with unavailable machines. */
  get down(): string[] {
    return this.#pools.withUnavailable;
  }

  #adoptSessions(allocator: MachineAllocator): void {
    const [book, sessions, sharing] = [this.#book, this.#sessions, this.#sharing];
    const opening = adoptSessions(allocator, {
      ...{ book, sessions, sharing, log: this.#options.log },
      isPool: (name) => this.#pools.allocators.has(name),
    });
    this.#detach(opening, `opening the pool ${allocator.pool.name}`);
  }

  /** Switches to other pools and builder types. Sessions are not ended. */
  reconfigure(change: PoolTableChange): void {
    for (const one of this.#pools.change(change)) this.#adoptSessions(one);
    this.changes.notify();
  }

  /** Restores the sessions of an earlier process, then provides machines. Running sessions can be used at once. */
  start(): void {
    for (const session of withPools(this.#book, this.#pools.allocators)) {
      const { name } = session;
      if (session.state === 'creating') this.#detach(this.#sessions.abandon(name), 'forgetting');
      if (session.state === 'running' && !session.isClaimed) {
        const expiresMs = Math.min(session.expiresMs, Date.now() + unclaimedMs);
        this.#book.note({ ...session, expiresMs });
      }
    }
    for (const one of this.#pools.allocators.values()) this.#adoptSessions(one);
    const { limits, probeIntervalMs } = this.#options;
    const [book, machines, sharing] = [this.#book, this.#machines, this.#sharing];
    const expiry = { book, machines, sessions: this.#sessions, sharing, clock: new ClockWatch() };
    const every = (ms: number, work: () => void) =>
      this.#timers.push(setInterval(work, ms).unref());
    every(Math.min(sweepIntervalMs, Math.max(limits.idleMs / 4, 10)), () => {
      this.#detach(endExpired(expiry), 'ending expired sessions');
    });
    every(probeIntervalMs, () => {
      this.#detach(machines.probe(this.#running(), probeIntervalMs * 0.8), 'probing machines');
    });
    every(sharing.intervalMs, () => {
      this.#detach(book.flush(), 'saving sessions');
      this.#detach(sharing.look(), 'looking for sessions of other coordinators');
      this.#detach(sharing.flush(), 'keeping sessions with their machines');
    });
  }

  #running(): Session[] {
    return this.#book.all().filter(({ state }) => state === 'running');
  }

  /** Called when a client has received the session's name. */
  claim(name: string): void {
    this.#detach(this.admission.claim(name), `noting that ${name} was taken`);
  }

  /** The user's sessions, running or dead, sorted by name; everybody's for an admin who asks. */
  async list(user: User, everybody = false): Promise<Session[]> {
    await this.#sharing.lookWithin(listWaitMs);
    const shown = this.#book.all().filter(({ owner, state }) => {
      const isShown = state === 'running' || state === 'dead';
      return isShown && (owner === user.name || (everybody && user.isAdmin));
    });
    return sortedByName(shown);
  }

  /** The user's session of that name; throws ERR_UNKNOWN_BUILDLET and ERR_NOT_OWNER. */
  async find(user: User, name: string): Promise<Session> {
    // Another coordinator may have created it just now.
    if (!this.#book.has(name)) await this.#sharing.look();
    const session = this.#sessions.get(name);
    if (session.owner !== user.name && !user.isAdmin) {
      throw new GomoteError('ERR_NOT_OWNER', "you don't own that buildlet");
    }
    if (session.state === 'creating' || session.state === 'ending') {
      throw new GomoteError('ERR_UNKNOWN_BUILDLET', unknownBuildletText);
    }
    return session;
  }

  /** The connection to the session's machine, for one use. Throws ERR_BUILDLET_DIED with the reason. */
  async use(session: Session) {
    if (session.state === 'dead') {
      const { name, reason = '' } = session;
      throw new GomoteError('ERR_BUILDLET_DIED', deadBuildletText(name, reason));
    }
    this.#sessions.touch(session.name);
    return await this.#machines.of(session);
  }

  /** Ends a use. After a failure, the machine is checked. */
  used(session: Session, error?: unknown): void {
    this.#sessions.touch(session.name);
    if (error === undefined) return;
    const { name } = session;
    this.#detach(this.#machines.suspect(session, error), `looking at the machine of ${name}`);
  }

  /** Extends the session by this time from now, up to its maximum. */
  async extend(session: Session, byMs: number): Promise<Session> {
    const extended = await this.#sessions.apply(session.name, { kind: 'extended', byMs });
    await this.#sharing.keep(session.name).catch(this.#sessions.trouble(`keeping ${session.name}`));
    return extended;
  }

  /** Ends the session. Resolves when its machine was released. */
  async end(session: Session, by: User, reason = `destroyed by ${by.name}`): Promise<void> {
    await this.#sessions.end(session.name, reason);
  }

  /** Stops creates: waiting ones are refused, those whose machine is being created get it. */
  drain(): void {
    this.admission.isClosed = true;
    for (const queue of this.#pools.queues) queue.close();
    for (const allocator of this.#pools.allocators.values()) allocator.stop();
  }

  /** Saves everything and releases the machines, which stay. */
  async close(): Promise<void> {
    this.drain();
    for (const timer of this.#timers) clearInterval(timer);
    this.changes.close();
    await this.#pools.close();
    await this.#machines.close();
    await this.#book.flush().catch(this.#sessions.trouble('saving sessions'));
  }
}
