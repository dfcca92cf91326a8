// The state transitions of sessions: each is written to disk and has its effects.
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { deadBuildletText, unknownBuildletText } from '../../protocol/endpoints.ts';
import type { Log } from '../log.ts';
import type { MachineAllocator } from '../pools/machine-allocator.ts';
import { retry } from '../pools/retry.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { MachineConnections, MachineLoss } from './machine-connections.ts';
import { applied, type Limits, type Session, type SessionEvent } from './session.ts';

interface SessionTransitionsOptions {
  readonly book: SessionBook;
  readonly limits: Limits;
  /** Of the pool of that name. */
  readonly allocatorOf: (pool: string | undefined) => MachineAllocator;
  /** Whether sessions of the pool are kept with their machines, for other coordinators to find. */
  readonly isShared: (pool: string | undefined) => boolean;
  readonly machines: MachineConnections;
  readonly log: Log;
  /** The audit trail. */
  readonly audit: Log;
  readonly onChange: () => void;
  /** Called for each session that is not there any more. */
  readonly onEnded: (session: Session) => void;
}

export class SessionTransitions {
  readonly #options: SessionTransitionsOptions;
  /** The sessions that are being ended. */
  readonly #endings = new Map<string, Promise<void>>();

  constructor(options: SessionTransitionsOptions) {
    this.#options = options;
  }

  /** The session of that name; throws ERR_UNKNOWN_BUILDLET. */
  get(name: string): Session {
    const session = this.#options.book.get(name);
    if (session !== undefined) return session;
    throw new GomoteError('ERR_UNKNOWN_BUILDLET', unknownBuildletText);
  }

  /** Applies the event; resolves with the session once it is written. */
  async apply(name: string, event: SessionEvent): Promise<Session> {
    const next = applied(this.get(name), event, Date.now(), this.#options.limits);
    await this.save(next);
    return next;
  }

  async save(session: Session): Promise<void> {
    const saved = this.#options.book.save(session);
    this.#options.onChange();
    await saved;
  }

  /** Renews a running session; a use is written down with the next change, or some time later. */
  touch(name: string): void {
    const { book, limits, onChange } = this.#options;
    const session = book.get(name);
    if (session?.state !== 'running') return;
    book.note(applied(session, { kind: 'used' }, Date.now(), limits));
    onChange();
  }

  /** Moves the times of all sessions by the time that the system's clock was set by. */
  shift(byMs: number): void {
    const { book, log } = this.#options;
    if (byMs === 0) return;
    log.write('clock-set', { byMs });
    for (const session of book.all()) {
      const { createdMs, expiresMs } = session;
      book.note({ ...session, createdMs: createdMs + byMs, expiresMs: expiresMs + byMs });
    }
  }

  /**
   * Ends a session; resolves when its machine was taken back and nothing of it is left. When that fails, the session is
   * still ending, and is to be ended again.
   */
  async end(name: string, why: string): Promise<void> {
    const session = this.#options.book.get(name);
    if (session === undefined || session.state === 'creating') return;
    const running = this.#endings.get(name) ?? this.#end(session, why);
    this.#endings.set(name, running);
    try {
      await running;
    } finally {
      this.#endings.delete(name);
    }
  }

  async #end(session: Session, why: string): Promise<void> {
    const { name, owner, machine, state, hostType, createdMs } = session;
    if (state !== 'ending') {
      // A full disk keeps no session alive: after a crash it would run again, with its machine.
      await this.apply(name, { kind: 'ended' }).catch(this.trouble(`writing ${name}`));
      this.#options.audit.write('destroy', {
        ...{ name, owner, machine, hostType, why },
        hadMs: Math.max(0, Date.now() - createdMs),
      });
    }
    await this.takeBack(session);
  }

  /** Forgets a session that got no machine; one that cannot be forgotten now is ended later. */
  async abandon(name: string): Promise<void> {
    const { book, limits } = this.#options;
    book.note(applied(this.get(name), { kind: 'ended' }, Date.now(), limits));
    await this.forget(name).catch(this.trouble(`forgetting ${name}`));
  }

  /**
   * Forgets a session and takes its machine back, in this order: were the machine lent again while the session is
   * still written down, a crash would give it two owners. A machine that no session names is taken back anyway. One
   * that the session is kept with is gone first: else the session would be found again with it.
   */
  async takeBack({ name, pool, machine }: Session): Promise<void> {
    const { machines, allocatorOf, isShared } = this.#options;
    await machines.drop(name);
    if (machine === undefined || !isShared(pool)) {
      await this.forget(name);
      if (machine !== undefined) await this.#giveBack(pool, machine);
    } else if (await allocatorOf(pool).giveBack(machine)) await this.forget(name);
  }

  /** A machine whose pool has left the configuration stays; the pool ends it if it is configured again. */
  async #giveBack(pool: string | undefined, machine: string): Promise<void> {
    try {
      await this.#options.allocatorOf(pool).giveBack(machine);
    } catch (error) {
      if (!isGomoteError(error, 'ERR_CONFIG')) throw error;
      this.trouble(`taking back ${machine}`)(error);
    }
  }

  async forget(name: string): Promise<void> {
    const { book, onEnded, onChange } = this.#options;
    const session = book.get(name);
    await book.remove(name);
    if (session !== undefined) onEnded(session);
    onChange();
  }

  /** The machine is gone from its platform: another coordinator or a person has ended the session. */
  async vanished(name: string): Promise<void> {
    const { book, log, machines, allocatorOf } = this.#options;
    const session = book.get(name);
    if (session?.machine === undefined) return;
    const { pool, machine, owner } = session;
    log.write('vanished', { name, owner, machine });
    void machines.drop(name, new GomoteError('ERR_UNKNOWN_BUILDLET', unknownBuildletText));
    allocatorOf(pool).disown(machine);
    await this.forget(name);
  }

  /** A session's machine is lost, as far as this coordinator knows. */
  lost(name: string, reason: string, how: MachineLoss): void {
    const { book, isShared, allocatorOf } = this.#options;
    const session = book.get(name);
    if (session?.machine === undefined) return;
    const { pool, machine } = session;
    if (!isShared(pool)) this.died(name, reason);
    else if (how === 'unknown') this.vanished(name).catch(this.trouble(`forgetting ${name}`));
    else if (how === 'ended') this.died(name, reason, { leavesMachine: true });
    // One of another coordinator's that is silent here may well answer there.
    else if (allocatorOf(pool).pool.shared?.isOwn(machine)) this.died(name, reason);
  }

  /** Called when a pool has lost the machine, also when a session has it. */
  machineLost(pool: string, machine: string, reason: string): void {
    const session = this.#options.book
      .all()
      .find((one) => one.pool === pool && one.machine === machine);
    if (session !== undefined) this.died(session.name, reason);
  }

  /**
   * The machine is of no use any more: it is taken back, and the owner told at the next use. What is left of one that
   * the session is kept with may stay until the session ends: other coordinators tell the owner as well.
   */
  died(name: string, reason: string, options: { readonly leavesMachine?: boolean } = {}): void {
    const { book, log, audit, machines, allocatorOf } = this.#options;
    const session = book.get(name);
    if (session?.state !== 'running' || session.machine === undefined) return;
    const { hostType, pool, machine, owner } = session;
    log.write('died', { name, owner, machine, reason });
    audit.write('died', { name, owner, machine, hostType, reason });
    const death = new GomoteError('ERR_BUILDLET_DIED', deadBuildletText(name, reason));
    void machines.drop(name, death);
    const { leavesMachine = false } = options;
    this.apply(name, { kind: 'died', reason, leavesMachine })
      .catch(async (error: unknown) => {
        this.trouble(`writing ${name}`)(error);
        await this.#saveLater(name);
      })
      .then(async () => {
        if (leavesMachine) allocatorOf(pool).disown(machine);
        else await this.#giveBack(pool, machine);
      })
      .catch(this.trouble(`taking back ${machine}`));
  }

  /** Saves the session as soon as it can be written: a machine that is taken back earlier would have two owners after a crash. */
  async #saveLater(name: string): Promise<void> {
    const { book } = this.#options;
    const save = async () => {
      const session = book.get(name);
      if (session !== undefined) await book.save(session);
    };
    await retry(save, {
      ...{ signal: new AbortController().signal, onFailure: this.trouble(`writing ${name}`) },
      ...{ firstWaitMs: 1_000, longestWaitMs: 60_000 },
    });
  }

  /** For work that is not awaited: logs its failure. */
  trouble(what: string): (error: unknown) => void {
    return (error) => this.#options.log.write('trouble', { what: `${what}: ${messageOf(error)}` });
  }
}
