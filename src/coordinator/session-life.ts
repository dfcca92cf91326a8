// What becomes of sessions: every change of state goes through here, is written down, and is followed by what it demands.
import { GomoteError, messageOf } from '../errors.ts';
import { deadBuildletText, unknownBuildletText } from '../protocol/endpoints.ts';
import type { Lender } from './lender.ts';
import type { Links } from './links.ts';
import type { Log } from './log.ts';
import { applied, type Limits, type Session, type SessionEvent } from './session.ts';
import type { SessionBook } from './session-book.ts';

export interface SessionLifeOptions {
  readonly book: SessionBook;
  readonly limits: Limits;
  readonly lenderOf: (hostType: string) => Lender;
  readonly links: Links;
  readonly log: Log;
  /** What was done to whose buildlet. */
  readonly audit: Log;
  readonly onChange: () => void;
}

export class SessionLife {
  readonly #options: SessionLifeOptions;

  constructor(options: SessionLifeOptions) {
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
    const { book, limits, onChange } = this.#options;
    const next = applied(this.get(name), event, Date.now(), limits);
    const saved = book.save(next);
    onChange();
    await saved;
    return next;
  }

  /** Renews a running session; a use is written down with the next change, or some time later. */
  touch(name: string): void {
    const { book, limits, onChange } = this.#options;
    const session = book.get(name);
    if (session?.state !== 'running') return;
    book.note(applied(session, { kind: 'used' }, Date.now(), limits));
    onChange();
  }

  /** Ends a session; resolves when its machine was taken back and nothing of it is left. */
  async end(name: string, why: string): Promise<void> {
    const session = this.#options.book.get(name);
    if (session === undefined || session.state === 'creating') return;
    if (session.state !== 'ending') {
      await this.apply(name, { kind: 'ended' });
      const { owner, machine } = session;
      this.#options.audit.write('destroy', { name, owner, machine, why });
    }
    await this.takeBack(session);
  }

  /**
   * Forgets a session and takes its machine back, in this order: were the machine lent again while the session is
   * still written down, a crash would give it two owners. A machine that no session names is taken back anyway.
   */
  async takeBack({ name, hostType, machine }: Session): Promise<void> {
    await this.#options.links.drop(name);
    await this.forget(name);
    if (machine !== undefined) await this.#options.lenderOf(hostType).giveBack(machine);
  }

  async forget(name: string): Promise<void> {
    await this.#options.book.remove(name);
    this.#options.onChange();
  }

  /** The machine is of no use any more: it is taken back, and the owner told at the next use. */
  died(name: string, reason: string): void {
    const { book, log, audit, links, lenderOf } = this.#options;
    const session = book.get(name);
    if (session?.state !== 'running' || session.machine === undefined) return;
    const { hostType, machine, owner } = session;
    log.write('died', { name, owner, machine, reason });
    audit.write('died', { name, owner, machine, reason });
    const told = new GomoteError('ERR_BUILDLET_DIED', deadBuildletText(name, reason));
    void links.drop(name, told);
    this.apply(name, { kind: 'died', reason })
      .catch(this.trouble(`writing ${name}`))
      .then(() => lenderOf(hostType).giveBack(machine));
  }

  /** For what nobody waits for: tells its failure in the log. */
  trouble(what: string): (error: unknown) => void {
    return (error) => this.#options.log.write('trouble', { what: `${what}: ${messageOf(error)}` });
  }
}
