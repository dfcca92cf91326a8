// Problems of a coordinator, for load balancers, metrics and admins.
import type { Coordinator } from './coordinator.ts';
import type { SessionBook } from './state/session-book.ts';
import type { Users } from './state/users.ts';

interface ReadinessParts {
  readonly coordinator: Coordinator;
  readonly book: SessionBook;
  readonly users: Users;
}

/** A text without anything that only users may know; empty if there is no problem. */
export interface Readiness {
  /** Why buildlets cannot be created, by what is wrong. */
  readonly failures: ReadonlyMap<Trouble, string>;
  /** What an admin has to mend, while the coordinator serves on. */
  readonly warnings: ReadonlyMap<Trouble, string>;
}

export const troubles = ['pools', 'disk', 'users', 'sessions', 'machines'] as const;

type Trouble = (typeof troubles)[number];

export async function readinessOf({
  coordinator,
  book,
  users,
}: ReadinessParts): Promise<Readiness> {
  const failures = new Map<Trouble, string>();
  const warnings = new Map<Trouble, string>();
  if (coordinator.troubles.length > 0) failures.set('pools', coordinator.troubles.join('; '));
  if ((await book.check()) !== undefined) failures.set('disk', 'the state cannot be written');
  if (users.trouble !== undefined) {
    warnings.set('users', 'the users file cannot be read: those it had before are known');
  }
  const { length } = book.unread;
  if (length > 0) {
    warnings.set(
      'sessions',
      `sessions that cannot be read: ${length}; their machines are left alone`,
    );
  }
  const { down } = coordinator;
  if (down.length > 0) warnings.set('machines', down.join('; '));
  return { failures, warnings };
}
