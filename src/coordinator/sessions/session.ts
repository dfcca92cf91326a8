// A session: one user's use of one machine, from the request to the end. Its states and transitions.
import { GomoteError } from '../../errors.ts';
import type { Labels } from '../../protocol/labels.ts';

export type SessionState =
  /** Asked for; a machine is waited for or being made. */
  | 'creating'
  | 'running'
  /** Its machine is being taken back. */
  | 'ending'
  /** Its machine died; what is left is the reason, for its owner. */
  | 'dead';

export interface Session {
  /** `user-<owner>-<builder type>-<n>`. */
  readonly name: string;
  /** The user's name, without the prefix `user-`. */
  readonly owner: string;
  readonly builderType: string;
  readonly hostType: string;
  readonly state: SessionState;
  readonly createdMs: number;
  readonly expiresMs: number;
  /** The pool that its machine is of; absent before it has one. */
  readonly pool?: string | undefined;
  /** Its id in the pool; absent before it has one, and after it died unless its remains are there. */
  readonly machine?: string | undefined;
  /** What the client chose so that asking again gives the same session. */
  readonly key?: string | undefined;
  /** What its owner gave it. */
  readonly labels?: Labels | undefined;
  /** Whether its owner got its name: a session whose name was never delivered is not kept for long. */
  readonly isClaimed: boolean;
  /** Why it is dead. */
  readonly reason?: string | undefined;
}

export interface Limits {
  /** How long a session lives without use, in ms. */
  readonly idleMs: number;
  /** How long it lives at most, in ms, however much it is used. */
  readonly maximumMs: number;
}

export type SessionEvent =
  | { readonly kind: 'granted'; readonly pool: string; readonly machine: string }
  | { readonly kind: 'claimed' }
  | { readonly kind: 'used' }
  | { readonly kind: 'extended'; readonly byMs: number }
  | { readonly kind: 'died'; readonly reason: string; readonly leavesMachine?: boolean }
  | { readonly kind: 'ended' };

/** From which states each event may come. */
const allowed: Record<SessionEvent['kind'], readonly SessionState[]> = {
  granted: ['creating'],
  claimed: ['running', 'ending', 'dead'],
  used: ['running'],
  extended: ['running'],
  died: ['running'],
  ended: ['creating', 'running', 'dead'],
};

/** The session after the event; throws ERR_STATUS when it cannot happen in its state. */
export function applied(
  session: Session,
  event: SessionEvent,
  nowMs: number,
  limits: Limits,
): Session {
  if (!allowed[event.kind].includes(session.state)) {
    throw new GomoteError(
      'ERR_STATUS',
      `"${session.name}" is ${session.state}: it cannot be ${event.kind}`,
    );
  }
  switch (event.kind) {
    case 'granted':
      return {
        ...session,
        state: 'running',
        pool: event.pool,
        machine: event.machine,
        createdMs: nowMs,
        expiresMs: nowMs + Math.min(limits.idleMs, limits.maximumMs),
      };
    case 'claimed':
      return { ...session, isClaimed: true };
    case 'used':
      return renewed(session, nowMs + limits.idleMs, limits);
    case 'extended':
      return renewed(session, nowMs + event.byMs, limits);
    case 'died':
      return {
        ...session,
        state: 'dead',
        machine: event.leavesMachine ? session.machine : undefined,
        reason: event.reason,
      };
    case 'ended':
      return { ...session, state: 'ending' };
  }
}

/** Nothing shortens a session's time, and nothing takes it beyond its maximum. */
function renewed(session: Session, untilAtMs: number, limits: Limits): Session {
  const endMs = session.createdMs + limits.maximumMs;
  return { ...session, expiresMs: Math.max(session.expiresMs, Math.min(untilAtMs, endMs)) };
}

/** `user-<owner>-<builder type>`: with `-<n>`, a session's name. */
export const nameStem = (owner: string, builderType: string): string =>
  `user-${owner}-${builderType}`;
