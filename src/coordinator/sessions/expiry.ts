// Ends sessions whose time is over.

import type { SessionBook } from '../state/session-book.ts';
import type { MachineConnections } from './machine-connections.ts';
import type { Session } from './session.ts';
import type { SessionTransitions } from './session-transitions.ts';
import type { Sharing } from './sharing.ts';

export interface ExpiryParts {
  readonly book: SessionBook;
  readonly machines: MachineConnections;
  readonly sessions: SessionTransitions;
  readonly sharing: Sharing;
}

/** Renews what is in use, then ends what has expired; fails when other coordinators' uses cannot be heard of. */
export async function endExpired({
  book,
  machines,
  sessions,
  sharing,
}: ExpiryParts): Promise<void> {
  for (const { name } of book.all()) {
    if (machines.isInUse(name)) sessions.touch(name);
  }
  const isOver = ({ state, expiresMs }: Session, slackMs: number) =>
    (state === 'running' || state === 'dead') && expiresMs + slackMs <= Date.now();
  const end = ({ name }: Session) =>
    void sessions.end(name, 'expired').catch(sessions.trouble(`ending ${name}`));
  const expired = book.all().filter((session) => isOver(session, 0));
  expired.filter((session) => !sharing.isShared(session.hostType)).forEach(end);
  if (!expired.some((session) => sharing.isShared(session.hostType))) return;
  await sharing.look();
  const shared = book.all().filter((session) => sharing.isShared(session.hostType));
  shared.filter((session) => isOver(session, sharing.slackMs)).forEach(end);
}
