// Ends sessions whose time is over.

import type { SessionBook } from '../state/session-book.ts';
import type { Links } from './links.ts';
import type { Session } from './session.ts';
import type { SessionLife } from './session-life.ts';
import type { Sharing } from './sharing.ts';

export interface ExpiryParts {
  readonly book: SessionBook;
  readonly links: Links;
  readonly life: SessionLife;
  readonly sharing: Sharing;
}

/** Renews what is in use, then ends what has expired; fails when other coordinators' uses cannot be heard of. */
export async function endExpired({ book, links, life, sharing }: ExpiryParts): Promise<void> {
  for (const { name } of book.all()) {
    if (links.isInUse(name)) life.touch(name);
  }
  const isOver = ({ state, expiresMs }: Session, slackMs: number) =>
    (state === 'running' || state === 'dead') && expiresMs + slackMs <= Date.now();
  const end = ({ name }: Session) =>
    void life.end(name, 'expired').catch(life.trouble(`ending ${name}`));
  const expired = book.all().filter((session) => isOver(session, 0));
  expired.filter((session) => !sharing.isShared(session.hostType)).forEach(end);
  if (!expired.some((session) => sharing.isShared(session.hostType))) return;
  await sharing.look();
  const shared = book.all().filter((session) => sharing.isShared(session.hostType));
  shared.filter((session) => isOver(session, sharing.slackMs)).forEach(end);
}
