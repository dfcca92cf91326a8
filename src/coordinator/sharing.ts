// Coordinators on one platform see the same sessions: each is kept with its machine, where every coordinator reads it.
import { messageOf } from '../errors.ts';
import { timeoutSignal } from '../timeout-signal.ts';
import type { Lender } from './lender.ts';
import type { Log } from './log.ts';
import type { PoolCall } from './pool.ts';
import { Recent } from './recent.ts';
import { freeName, type Session } from './session.ts';
import type { SessionBook } from './session-book.ts';
import type { SessionLife } from './session-life.ts';
import { joined, type SharedSession } from './session-note.ts';
import type { SharedListing, SharedMachines } from './shared-machines.ts';

export interface SharingOptions {
  readonly book: SessionBook;
  readonly life: SessionLife;
  readonly lenders: ReadonlyMap<string, Lender>;
  /** Sessions of others are none of this coordinator's. */
  readonly isUser: (name: string) => boolean;
  readonly intervalMs: number;
  /** How long a session is kept that no client was told of, in ms. */
  readonly unclaimedMs: number;
  readonly log: Log;
}

/** A session that has its machine. */
type Held = Session & { readonly machine: string };

const isHeld = (session: Session | undefined): session is Held => session?.machine !== undefined;

/** How long the platform may take to list its machines, or to write to one, in ms. */
const listTimeoutMs = 30_000;
const writeTimeoutMs = 15_000;

export class Sharing {
  /** How often `look` and `flush` are to be called, in ms. */
  readonly intervalMs: number;
  readonly #options: SharingOptions;
  /** What the platform is known to hold of each session. */
  readonly #kept = new Map<string, Pick<Session, 'expiresMs' | 'isClaimed'>>();
  /** Names that are not given again: another coordinator may still take them for a machine that is gone. */
  readonly #resting: Recent;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(options: SharingOptions) {
    this.#options = options;
    this.intervalMs = options.intervalMs;
    this.#resting = new Recent(3 * options.intervalMs);
  }

  #sharedOf(hostType: string): SharedMachines | undefined {
    return this.#options.lenders.get(hostType)?.pool.shared;
  }

  isShared(hostType: string): boolean {
    return this.#sharedOf(hostType) !== undefined;
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
    if (this.isShared(session.hostType) && isHeld(session)) this.#resting.add(session.name);
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

  /** As `look`, but goes on without an answer when that takes longer, or does not come. */
  async lookWithin(waitMs: number): Promise<void> {
    const { life } = this.#options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, waitMs);
    });
    await Promise.race([late, this.look().catch(life.trouble('looking for others’ sessions'))]);
    clearTimeout(timer);
  }

  #begin(): Promise<void> {
    this.#running = this.#lookAt([...this.#options.lenders.values()]).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #lookAt(lenders: readonly Lender[]): Promise<void> {
    const results = await Promise.allSettled(
      lenders.map(async (lender) => {
        const { shared } = lender.pool;
        if (shared === undefined) return;
        const before = this.#heldIn(lender);
        const listing = await shared.list({ signal: timeoutSignal(listTimeoutMs) });
        await this.#compare(lender, before, listing);
      }),
    );
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #heldIn({ pool }: Lender): Held[] {
    const all = this.#options.book.all();
    return all.filter(isHeld).filter(({ hostType }) => hostType === pool.hostType);
  }

  async #compare(lender: Lender, before: Held[], listing: SharedListing): Promise<void> {
    const { book, life } = this.#options;
    for (const { name, machine } of before) {
      const session = book.get(name);
      const isSame = session?.machine === machine && session.state !== 'ending';
      if (isSame && !listing.machines.has(machine)) await life.vanished(name);
    }
    const names = new Map(this.#heldIn(lender).map(({ name, machine }) => [machine, name]));
    for (const found of listing.sessions) {
      const known = names.get(found.machine) ?? found.name;
      if (known !== found.name) await this.#rename(lender, known, found);
      const session = book.get(found.name);
      if (session?.machine === found.machine) this.#join(session, found);
      else if (session === undefined || (session.state === 'dead' && !isHeld(session)))
        await this.#adopt(lender, found);
    }
  }

  /** Another coordinator may have chosen a name, and given way with it before it told its client. */
  async #rename(lender: Lender, from: string, { name, machine }: SharedSession): Promise<void> {
    const { book, life } = this.#options;
    const session = book.get(from);
    if (session?.state !== 'running' || session.machine !== machine || book.has(name)) return;
    if (lender.pool.shared?.isOwn(machine) !== false) return;
    await life.save({ ...session, name });
    await life.leave(from);
  }

  #join(session: Session, kept: Pick<Session, 'expiresMs' | 'isClaimed'>): void {
    this.#kept.set(session.name, kept);
    if (session.state !== 'running') return;
    const next = joined(session, kept);
    if (next.expiresMs !== session.expiresMs || next.isClaimed !== session.isClaimed) {
      this.#options.book.note(next);
    }
  }

  async #adopt(lender: Lender, found: SharedSession): Promise<void> {
    const { book, isUser, unclaimedMs, log } = this.#options;
    const { name, owner, machine, isClaimed } = found;
    // What this coordinator is making or ending is its own business.
    if (lender.knows(machine) || !isUser(owner)) return;
    lender.adopt(machine);
    this.#kept.set(name, found);
    const expiresMs = isClaimed
      ? found.expiresMs
      : Math.min(found.expiresMs, Date.now() + unclaimedMs);
    log.write('adopted', { name, owner, machine });
    await book.save({ ...found, state: 'running', expiresMs });
  }

  /** Keeps a new session with its machine, under a name that no other has; gives it with that. */
  async publish(session: Session, call: PoolCall): Promise<Session> {
    const shared = this.#sharedOf(session.hostType);
    if (shared === undefined || !isHeld(session)) return session;
    const { owner, builderType, machine } = session;
    for (let named: Held = session, tries = 1; ; tries++) {
      await shared.keep(named, call);
      const { sessions } = await shared.list(call);
      const others = sessions.filter((other) => other.machine !== machine);
      if (!others.some(({ name }) => name === named.name)) {
        this.#kept.set(named.name, named);
        return named;
      }
      // Another coordinator chose it at the same moment, and gives way as well.
      let skip = Math.floor(Math.random() * 3 * tries);
      const name = freeName(owner, builderType, (candidate) => {
        const isTaken = this.isTaken(candidate) || others.some((other) => other.name === candidate);
        return isTaken || skip-- > 0;
      });
      named = { ...named, name };
    }
  }

  /** Writes the session to its machine. */
  async keep(name: string): Promise<void> {
    const { book } = this.#options;
    const session = book.get(name);
    if (session?.state !== 'running' || !isHeld(session)) return;
    const call = { signal: timeoutSignal(writeTimeoutMs) };
    const kept = await this.#sharedOf(session.hostType)?.keep(session, call);
    const current = book.get(name);
    if (kept !== undefined && current?.machine === session.machine) this.#join(current, kept);
  }

  /** Writes what others are to know: that a session was used, or that its owner knows of it. */
  async flush(): Promise<void> {
    const { book, log } = this.#options;
    const changed = book.all().filter((session) => {
      const kept = this.#kept.get(session.name);
      const isLater = session.expiresMs - (kept?.expiresMs ?? 0) >= this.#stepMs;
      return this.isShared(session.hostType) && (isLater || session.isClaimed !== kept?.isClaimed);
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
