// Ends expired sessions.
import type { SessionBook } from '../state/session-book.ts';
import type { MachineConnections } from './machine-connections.ts';
import type { Session } from './session.ts';
import type { SessionTransitions } from './session-transitions.ts';
import type { Sharing } from './sharing.ts';

/** By how much the clock may be off before sessions move with it, in ms. */
const steadyMs = 1_000;

/** Tells by how much the system's clock was set: no session lives longer or shorter for that. */
export class ClockWatch {
  #offsetMs = Date.now() - performance.now();

  /** By how much it was set since the last call, in ms; 0 for what is only drift. */
  jumpMs(): number {
    const offsetMs = Date.now() - performance.now();
    const jumpMs = offsetMs - this.#offsetMs;
    this.#offsetMs = offsetMs;
    return Math.abs(jumpMs) < steadyMs ? 0 : jumpMs;
  }
}

interface ExpiryParts {
  readonly book: SessionBook;
  readonly machines: MachineConnections;
  readonly sessions: SessionTransitions;
  readonly sharing: Sharing;
  readonly clock: ClockWatch;
}

/** Renews what is in use, then ends what has expired; fails when other coordinators' uses cannot be heard of. */
export async function endExpired({
  book,
  machines,
  sessions,
  sharing,
  clock,
}: ExpiryParts): Promise<void> {
  sessions.shift(clock.jumpMs());
  for (const { name } of book.all()) {
    if (machines.isInUse(name)) sessions.touch(name);
  }
  const isOver = ({ state, expiresMs }: Session, slackMs: number) =>
    (state === 'running' || state === 'dead') && expiresMs + slackMs <= Date.now();
  const end = ({ name }: Session) =>
    void sessions.end(name, 'expired').catch(sessions.trouble(`ending ${name}`));
  const expired = book.all().filter((session) => isOver(session, 0));
  expired.filter((session) => !sharing.isShared(session.pool)).forEach(end);
  // What could not be ended before, such as on a full disk.
  book
    .all()
    .filter(({ state }) => state === 'ending')
    .forEach(end);
  if (!expired.some((session) => sharing.isShared(session.pool))) return;
  await sharing.look();
  const shared = book.all().filter((session) => sharing.isShared(session.pool));
  shared.filter((session) => isOver(session, sharing.slackMs)).forEach(end);
}
