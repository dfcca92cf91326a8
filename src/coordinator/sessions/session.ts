// A session: one user's use of one machine, from the request to the end. Its states and transitions.
import * as v from 'valibot';
import { GomoteError } from '../../errors.ts';
import { labelsOf } from '../../protocol/labels.ts';

const states = [
  /** Asked for; a machine is waited for or being made. */
  'creating',
  'running',
  /** Its machine is being taken back. */
  'ending',
  /** Its machine died; what is left is the reason, for its owner. */
  'dead',
] as const;

type SessionState = (typeof states)[number];

export const sessionSchema = v.object({
  /** `user-<owner>-<builder type>-<n>`. */
  name: v.string(),
  /** The user's name, without the prefix `user-`. */
  owner: v.string(),
  builderType: v.string(),
  hostType: v.string(),
  state: v.picklist(states),
  createdMs: v.number(),
  expiresMs: v.number(),
  /** The pool that its machine is of; absent before it has one. */
  pool: v.optional(v.string()),
  /** Its id in the pool; absent before it has one, and after it died unless its remains are there. */
  machine: v.optional(v.string()),
  /** What the client chose so that asking again gives the same session. */
  key: v.optional(v.string()),
  /** What its owner gave it. */
  labels: v.optional(v.pipe(v.unknown(), v.transform(labelsOf))),
  /** Of the snapshot that its machine began with, the id of the image. */
  image: v.optional(v.string()),
  /** Whether its owner got its name: a session whose name was never delivered is not kept for long. */
  isClaimed: v.boolean(),
  /** Why it is dead. */
  reason: v.optional(v.string()),
});

export type Session = Readonly<v.InferOutput<typeof sessionSchema>>;

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
