// Coordinators on one platform see the same sessions: each is kept with its machine, where every coordinator reads it.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { Log } from '../log.ts';
import type { MachineAllocator } from '../pools/machine-allocator.ts';
import type { PoolCall } from '../pools/pool.ts';
import { RecentNames } from '../pools/recent-names.ts';
import type {
  SessionWithMachine,
  SharedListing,
  SharedMachines,
} from '../pools/shared-machines.ts';
import type { SessionBook } from '../state/session-book.ts';
import type { Session } from './session.ts';
import type { SharedSession } from './session-note.ts';
import type { SessionTransitions } from './session-transitions.ts';

interface SharingOptions {
  readonly book: SessionBook;
  readonly sessions: SessionTransitions;
  readonly allocators: ReadonlyMap<string, MachineAllocator>;
  /** Sessions of others do not belong to this coordinator. */
  readonly isUser: (name: string) => boolean;
  readonly intervalMs: number;
  readonly log: Log;
}

const hasMachine = (session: Session | undefined): session is SessionWithMachine =>
  session?.machine !== undefined;

/** How long the platform may take to list its machines, or to write to one, in ms. */
const listTimeoutMs = 30_000;
const writeTimeoutMs = 15_000;

export class Sharing {
  /** How often `look` and `flush` are to be called, in ms. */
  readonly intervalMs: number;
  readonly #options: SharingOptions;
  /** The end of each session that is known to be written on the platform. */
  readonly #kept = new Map<string, number>();
  /** Names that are not given again: another coordinator may still take them for a machine that is gone. */
  readonly #resting: RecentNames;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(options: SharingOptions) {
    this.#options = options;
    this.intervalMs = options.intervalMs;
    this.#resting = new RecentNames(3 * options.intervalMs);
  }

  #sharedOf(pool = ''): SharedMachines | undefined {
    return this.#options.allocators.get(pool)?.pool.shared;
  }

  isShared(pool: string | undefined): boolean {
    return this.#sharedOf(pool) !== undefined;
  }

  /** How much of a session's uses may not have been written by others yet, in ms. */
  get slackMs(): number {
    return this.#stepMs + this.intervalMs;
  }

  /** By how much a session's end moves on until that is written, in ms. */
  get #stepMs(): number {
    return 2 * this.intervalMs;
  }

  isTaken(name: string): boolean {
    return this.#options.book.has(name) || this.#resting.has(name);
  }

  /** Nobody has the session any more. */
  ended(session: Session): void {
    this.#kept.delete(session.name);
    if (this.isShared(session.pool) && hasMachine(session)) this.#resting.add(session.name);
  }

  /** Compares with what the platform has at some moment after the call; fails when it cannot be asked. */
  async look(): Promise<void> {
    if (this.#running === undefined) return await this.#begin();
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.#begin();
      });
    await this.#next;
  }

  /** As `look`, but continues without an answer when that takes longer, or does not come. */
  async lookWithin(waitMs: number): Promise<void> {
    const { sessions } = this.#options;
    const looked = this.look().catch(sessions.trouble('looking for others’ sessions'));
    await Promise.race([looked, sleep(waitMs, undefined, { ref: false })]);
  }

  #begin(): Promise<void> {
    this.#running = this.#lookAt([...this.#options.allocators.values()]).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #lookAt(allocators: readonly MachineAllocator[]): Promise<void> {
    const results = await Promise.allSettled(
      allocators.map(async (allocator) => {
        const { shared } = allocator.pool;
        if (shared === undefined) return;
        const before = this.#heldIn(allocator);
        const listing = await shared.list({ signal: timeoutSignal(listTimeoutMs) });
        await this.#compare(allocator, before, listing);
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #heldIn({ pool }: MachineAllocator): SessionWithMachine[] {
    const all = this.#options.book.all();
    return all.filter(hasMachine).filter((session) => session.pool === pool.name);
  }

  async #compare(
    allocator: MachineAllocator,
    before: SessionWithMachine[],
    listing: SharedListing,
  ): Promise<void> {
    const { book, sessions } = this.#options;
    for (const { name, machine } of before) {
      const session = book.get(name);
      const isSame = session?.machine === machine && session.state !== 'ending';
      if (isSame && !listing.machines.has(machine)) await sessions.vanished(name);
    }
    for (const found of listing.sessions) {
      if (!found.isSettled) continue;
      const session = book.get(found.name);
      if (session?.machine === found.machine) this.#join(session, found.expiresMs);
      else if (session === undefined || (session.state === 'dead' && !hasMachine(session)))
        await this.#adopt(allocator, found);
    }
  }

  #join(session: Session, expiresMs: number): void {
    this.#kept.set(session.name, expiresMs);
    if (session.state === 'running' && expiresMs > session.expiresMs) {
      this.#options.book.note({ ...session, expiresMs });
    }
  }

  async #adopt(
    allocator: MachineAllocator,
    { isSettled: _, ...found }: SharedSession,
  ): Promise<void> {
    const { book, isUser, log } = this.#options;
    const { name, owner, machine, expiresMs } = found;
    // What this coordinator is making or ending is its own business.
    if (allocator.knows(machine) || !isUser(owner)) return;
    allocator.adopt(machine);
    this.#kept.set(name, expiresMs);
    log.write('adopted', { name, owner, machine });
    const { name: pool } = allocator.pool;
    await book.save({ ...found, pool, state: 'running', isClaimed: true });
  }

  /**
   * Keeps a new session with its machine, under a name that no other coordinator has given; gives it with that. The
   * name is written before it is looked for elsewhere: of two that want it at once, at least one sees the other.
   *
   * @param rename Gives another name, of those that are not taken.
   */
  async publish(
    session: Session,
    call: PoolCall,
    rename: (from: string, isTaken: (name: string) => boolean) => string,
  ): Promise<Session> {
    const shared = this.#sharedOf(session.pool);
    if (shared === undefined || !hasMachine(session)) return session;
    for (let named: SessionWithMachine = session, tries = 1; ; tries++) {
      await shared.keep(named, { ...call, isSettled: false });
      const { sessions } = await shared.list(call);
      const others = sessions.filter(({ machine }) => machine !== named.machine);
      if (!others.some(({ name }) => name === named.name)) {
        this.#kept.set(named.name, await shared.keep(named, call));
        return named;
      }
      // The other may give way as well: both are not to want the same name again.
      let skip = Math.floor(Math.random() * 2 * tries);
      const isTaken = (name: string) => others.some((other) => other.name === name) || skip-- > 0;
      named = { ...named, name: rename(named.name, isTaken) };
    }
  }

  /** Writes the session to its machine. */
  async keep(name: string): Promise<void> {
    const { book } = this.#options;
    const session = book.get(name);
    if (session?.state !== 'running' || !hasMachine(session)) return;
    const call = { signal: timeoutSignal(writeTimeoutMs) };
    const expiresMs = await this.#sharedOf(session.pool)?.keep(session, call);
    const current = book.get(name);
    if (expiresMs !== undefined && current?.machine === session.machine) {
      this.#join(current, expiresMs);
    }
  }

  /** Writes down for others which sessions were used. */
  async flush(): Promise<void> {
    const { book, log } = this.#options;
    const changed = book.all().filter((session) => {
      const keptMs = this.#kept.get(session.name) ?? 0;
      return this.isShared(session.pool) && session.expiresMs - keptMs >= this.#stepMs;
    });
    await Promise.all(
      changed.map(({ name }) =>
        this.keep(name).catch((error: unknown) => {
          log.write('trouble', { what: `keeping ${name} with its machine: ${messageOf(error)}` });
        }),
      ),
    );
  }
}
