// Sessions over pools: who has which machine, for how long, and what becomes of it. No HTTP in it.
import type { BuilderType, Catalogue } from '../builders.ts';
import { GomoteError, messageOf } from '../errors.ts';
import { Creation } from './creation.ts';
import { Lender } from './lender.ts';
import { type Health, type Link, Links } from './links.ts';
import type { Log } from './log.ts';
import type { Pool } from './pool.ts';
import { after, freeName, type Limits, type Session, type SessionEvent } from './session.ts';
import type { SessionBook } from './session-book.ts';
import type { User } from './users.ts';
import { type CoordinatorView, viewOf } from './view.ts';

export interface CoordinatorOptions {
  readonly catalogue: Catalogue;
  readonly book: SessionBook;
  /** One a host type, with how many machines to keep ready ahead. */
  readonly pools: readonly { readonly pool: Pool; readonly warm: number }[];
  readonly limits: Limits & {
    /** How many buildlets a user may have at once. */
    readonly perUser: number;
  };
  /** How often each machine is asked whether it is well, in ms. */
  readonly probeIntervalMs: number;
  readonly log: Log;
  /** What was done to whom's buildlet, for the audit trail. */
  readonly audit: Log;
}

/** How long a create goes on for a client that has lost its connection and will ask again, in ms. */
const retryGraceMs = 20_000;

/** How long a session of which no client was told is kept after a restart, in ms. */
const unclaimedMs = 120_000;

/** How often expired sessions are looked for, in ms, at least. */
const sweepIntervalMs = 60_000;

/** How much of an expiry may be lost in a crash, in ms: it is written no more often. */
const noteIntervalMs = 30_000;

export class Coordinator {
  readonly #options: CoordinatorOptions;
  readonly #book: SessionBook;
  readonly #lenders = new Map<string, Lender>();
  readonly #creations = new Map<string, Creation>();
  readonly #links: Links;
  readonly #watchers = new Set<() => void>();
  readonly #timers: NodeJS.Timeout[] = [];
  #changeTimer: NodeJS.Timeout | undefined;
  #isDraining = false;

  constructor(options: CoordinatorOptions) {
    this.#options = options;
    this.#book = options.book;
    for (const { pool, warm } of options.pools) {
      const lender = new Lender(pool, {
        warm,
        onTrouble: (what) => options.log.write('trouble', { what }),
        onChange: () => this.#changed(),
        onLost: (id, reason) => this.#machineLost(pool.hostType, id, reason),
      });
      this.#lenders.set(pool.hostType, lender);
    }
    this.#links = new Links({
      poolOf: (hostType) => this.#lender(hostType).pool,
      onDead: (name, reason) => this.#died(name, reason),
      onHealth: () => this.#changed(),
      log: options.log,
    });
  }

  /** Builder types that there are machines for. */
  get catalogue(): Catalogue {
    const { hosts, builders } = this.#options.catalogue;
    return {
      hosts: hosts.filter(({ name }) => this.#lenders.has(name)),
      builders: builders.filter(({ hostType }) => this.#lenders.has(hostType)),
    };
  }

  /** Whether creates can be served. */
  get isReady(): boolean {
    return !this.#isDraining && [...this.#lenders.values()].every((lender) => lender.isOpen);
  }

  /** Takes up what an earlier coordinator left, then lends. Sessions can be used at once. */
  start(): void {
    for (const session of this.#book.all()) {
      if (session.state === 'creating') void this.#book.remove(session.name);
      else if (session.state === 'running' && !session.isClaimed) {
        const expiresMs = Math.min(session.expiresMs, Date.now() + unclaimedMs);
        this.#book.note({ ...session, expiresMs });
      }
    }
    for (const [hostType, lender] of this.#lenders) void this.#open(hostType, lender);
    const { idleMs } = this.#options.limits;
    const every = (ms: number, work: () => void) =>
      this.#timers.push(setInterval(work, ms).unref());
    every(Math.min(sweepIntervalMs, Math.max(idleMs / 4, 10)), () => this.#sweep());
    every(this.#options.probeIntervalMs, () => void this.#links.probe(this.#running()));
    every(noteIntervalMs, () => void this.#book.flush().catch(this.#trouble('saving sessions')));
  }

  async #open(hostType: string, lender: Lender): Promise<void> {
    const sessions = this.#book.all().filter((session) => session.hostType === hostType);
    const held = new Map(sessions.flatMap((s) => (s.machine === undefined ? [] : [[s.machine, s]])));
    const there = await lender.open(new Set(held.keys()));
    for (const [machine, { name }] of held) {
      const session = this.#book.get(name);
      if (session?.state === 'ending') void this.#giveBack(session);
      else if (!there.has(machine) && session?.state === 'running') {
        this.#died(name, 'its machine was gone when the coordinator started');
      }
    }
    this.#options.log.write('pool-open', { hostType, held: held.size });
  }

  readonly #running = (): Session[] => this.#book.all().filter(({ state }) => state === 'running');

  /**
   * Makes a session for the user, or joins in the making of it when the key has been given before. Throws
   * ERR_UNKNOWN_TYPE, ERR_QUOTA, ERR_CLOSED.
   */
  create(user: User, builderType: string, key: string | undefined): Creation {
    const builder = this.catalogue.builders.find(({ name }) => name === builderType);
    if (builder === undefined) {
      throw new GomoteError('ERR_UNKNOWN_TYPE', "unknown builder type in 'builderType' parameter");
    }
    const known = key === undefined ? undefined : this.#creationOf(user, key);
    if (known !== undefined) return known;
    if (this.#isDraining) {
      throw new GomoteError('ERR_CLOSED', 'the coordinator is shutting down: try again in a moment');
    }
    const name = this.#reserve(user, builder, key);
    const creation = new Creation({
      make: async (call) => {
        try {
          return await this.#make(name, call);
        } catch (error) {
          await this.#forget(name);
          throw error;
        } finally {
          if (key === undefined) this.#creations.delete(name);
        }
      },
      discard: (session) => void this.#end(session.name, 'nobody took it'),
      graceMs: key === undefined ? 0 : retryGraceMs,
    });
    this.#creations.set(name, creation);
    return creation;
  }

  /** The creation that the key was first given with, also if another coordinator made its session. */
  #creationOf(user: User, key: string): Creation | undefined {
    const session = this.#book
      .all()
      .find((one) => one.key === key && one.owner === user.name && one.state !== 'ending');
    if (session === undefined) return undefined;
    return (
      this.#creations.get(session.name) ??
      new Creation({ make: async () => session, discard: () => undefined, graceMs: 0 })
    );
  }

  #reserve(user: User, builder: BuilderType, key: string | undefined): string {
    const limit = user.maximum ?? this.#options.limits.perUser;
    const own = this.#book.all().filter(({ owner, state }) => owner === user.name && state !== 'dead');
    if (own.length >= limit) {
      throw new GomoteError('ERR_QUOTA', `you have ${own.length} buildlets, and ${limit} is your limit`, {
        hint: 'destroy one first',
      });
    }
    const name = freeName(user.name, builder.name, (taken) => this.#book.has(taken));
    const now = Date.now();
    this.#book.note({
      name,
      owner: user.name,
      builderType: builder.name,
      hostType: builder.hostType,
      state: 'creating',
      createdMs: now,
      expiresMs: now + this.#options.limits.idleMs,
      key,
      isClaimed: false,
    });
    return name;
  }

  async #make(
    name: string,
    call: { signal: AbortSignal; onProgress: (step: string) => void },
  ): Promise<Session> {
    const session = this.#session(name);
    await this.#book.save(session);
    const lender = this.#lender(session.hostType);
    const machine = await lender.lend(session.owner, call);
    try {
      call.signal.throwIfAborted();
      const running = await this.#apply(name, { kind: 'granted', machine });
      this.#options.audit.write('create', { name, owner: session.owner, machine, outcome: 'ok' });
      return running;
    } catch (error) {
      void lender.giveBack(machine);
      throw error;
    }
  }

  /** A client was told of the session. */
  async claim(name: string): Promise<void> {
    this.#creations.get(name)?.claim();
    this.#creations.delete(name);
    if (this.#book.get(name)?.isClaimed === false) await this.#apply(name, { kind: 'claimed' });
  }

  /** The user's sessions, or all for an admin who asks; those being made or taken back are not shown. */
  list(user: User, everybody = false): Session[] {
    return this.#book
      .all()
      .filter(({ owner, state }) => {
        const isShown = state === 'running' || state === 'dead';
        return isShown && (owner === user.name || (everybody && user.isAdmin));
      });
  }

  healthOf(name: string): Health {
    return this.#book.get(name)?.state === 'dead' ? 'dead' : this.#links.healthOf(name);
  }

  /** The user's session of that name; throws ERR_UNKNOWN_BUILDLET, ERR_NOT_OWNER, and ERR_BUILDLET_DIED with why. */
  find(user: User, name: string): Session {
    const session = this.#book.get(name);
    if (session === undefined || session.state === 'creating' || session.state === 'ending') {
      throw new GomoteError('ERR_UNKNOWN_BUILDLET', 'unknown or expired buildlet');
    }
    if (session.owner !== user.name && !user.isAdmin) {
      throw new GomoteError('ERR_NOT_OWNER', "you don't own that buildlet");
    }
    return session;
  }

  /** How to reach the session's machine, which is in use until the link's use is over. */
  async use(session: Session): Promise<Link> {
    if (session.state === 'dead') {
      throw new GomoteError('ERR_BUILDLET_DIED', `the buildlet "${session.name}" is dead: ${session.reason}`);
    }
    this.#touch(session.name);
    return await this.#links.of(session);
  }

  /** Tells that a use is over, and, if it failed, lets the machine be looked at. */
  used(session: Session, error?: unknown): void {
    this.#touch(session.name);
    if (error !== undefined) void this.#links.suspect(session, error);
  }

  #touch(name: string): void {
    const session = this.#book.get(name);
    if (session?.state !== 'running') return;
    this.#book.note(after(session, { kind: 'used' }, Date.now(), this.#options.limits));
    this.#changed();
  }

  /** Lets the session live so much longer from this moment on, as far as its maximum allows. */
  async extend(session: Session, byMs: number): Promise<Session> {
    return await this.#apply(session.name, { kind: 'extended', byMs });
  }

  /** Ends the session; resolves when its machine was taken back. */
  async end(session: Session, by: User): Promise<void> {
    await this.#end(session.name, `destroyed by ${by.name}`);
  }

  async #end(name: string, why: string): Promise<void> {
    const session = this.#book.get(name);
    if (session === undefined || session.state === 'creating') return;
    if (session.state !== 'ending') {
      await this.#apply(name, { kind: 'ended' });
      this.#options.audit.write('destroy', { name, owner: session.owner, why, outcome: 'ok' });
    }
    await this.#giveBack(session);
  }

  async #giveBack({ name, hostType, machine }: Session): Promise<void> {
    await this.#links.drop(name);
    if (machine !== undefined) await this.#lender(hostType).giveBack(machine);
    await this.#forget(name);
  }

  async #forget(name: string): Promise<void> {
    this.#creations.delete(name);
    await this.#book.remove(name);
    this.#changed();
  }

  #machineLost(hostType: string, machine: string, reason: string): void {
    const session = this.#book
      .all()
      .find((one) => one.hostType === hostType && one.machine === machine);
    if (session?.state === 'running') this.#died(session.name, reason);
  }

  /** The machine is of no use any more: it is taken back, and the owner told at the next use. */
  #died(name: string, reason: string): void {
    const session = this.#book.get(name);
    if (session?.state !== 'running' || session.machine === undefined) return;
    const { hostType, machine, owner } = session;
    this.#options.log.write('died', { name, owner, machine, reason });
    void this.#apply(name, { kind: 'died', reason });
    void this.#links.drop(name, new GomoteError('ERR_BUILDLET_DIED', `"${name}" is dead: ${reason}`));
    void this.#lender(hostType).giveBack(machine);
  }

  #sweep(): void {
    const now = Date.now();
    for (const { name, state, expiresMs } of this.#book.all()) {
      if (this.#links.isInUse(name)) this.#touch(name);
      else if (expiresMs <= now && (state === 'running' || state === 'dead')) {
        this.#end(name, 'expired').catch(this.#trouble(`ending ${name}`));
      }
    }
  }

  async #apply(name: string, event: SessionEvent): Promise<Session> {
    const next = after(this.#session(name), event, Date.now(), this.#options.limits);
    const saved = this.#book.save(next);
    this.#changed();
    await saved;
    return next;
  }

  #session(name: string): Session {
    const session = this.#book.get(name);
    if (session !== undefined) return session;
    throw new GomoteError('ERR_UNKNOWN_BUILDLET', 'unknown or expired buildlet');
  }

  #lender(hostType: string): Lender {
    const lender = this.#lenders.get(hostType);
    if (lender !== undefined) return lender;
    throw new GomoteError('ERR_UNKNOWN_TYPE', `there is no pool for host type "${hostType}"`);
  }

  readonly #trouble = (what: string) => (error: unknown) =>
    this.#options.log.write('trouble', { what: `${what}: ${messageOf(error)}` });

  /** What a user may see: own rows, or all for an admin. */
  view(user: User): CoordinatorView {
    return viewOf(user, this.#book.all(), [...this.#lenders.values()], this.#links);
  }

  /** Calls the listener after changes, at most four times a second; gives the function that ends it. */
  watch(listener: () => void): () => void {
    this.#watchers.add(listener);
    return () => this.#watchers.delete(listener);
  }

  #changed(): void {
    if (this.#watchers.size === 0) return;
    this.#changeTimer ??= setTimeout(() => {
      this.#changeTimer = undefined;
      for (const watcher of this.#watchers) watcher();
    }, 250).unref();
  }

  /** No more creates. */
  drain(): void {
    this.#isDraining = true;
  }

  /** Saves everything and lets go of the machines, which stay. */
  async close(): Promise<void> {
    this.drain();
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#changeTimer);
    await Promise.all([...this.#lenders.values()].map((lender) => lender.close()));
    await this.#links.close();
    await this.#book.flush();
  }
}
