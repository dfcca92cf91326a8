// A session as it is kept with its machine, for every coordinator on the platform to read.
import * as v from 'valibot';
import type { Session } from './session.ts';

/** What a coordinator cannot know of another's session but from its machine. */
export type SharedSession = Omit<Session, 'state' | 'reason' | 'machine'> & {
  readonly machine: string;
};

const schema = v.object({
  team: v.string(),
  name: v.string(),
  owner: v.string(),
  builderType: v.string(),
  hostType: v.string(),
  createdMs: v.number(),
  expiresMs: v.number(),
  isClaimed: v.boolean(),
  key: v.optional(v.string()),
});

export function formatNote(team: string, session: Session): string {
  const { name, owner, builderType, hostType, createdMs, expiresMs, isClaimed, key } = session;
  const kept = { team, name, owner, builderType, hostType, createdMs, expiresMs, isClaimed, key };
  return JSON.stringify(kept);
}

/** Undefined when the note is none of a session of the team. */
export function parseNote(
  team: string,
  note: string | undefined,
  machine: string,
): SharedSession | undefined {
  try {
    const { team: theirs, ...session } = v.parse(schema, JSON.parse(note ?? ''));
    return theirs === team ? { ...session, machine } : undefined;
  } catch {
    return undefined;
  }
}

/** One session as two coordinators know it: whoever knows of a later use is right. */
export function joined(session: Session, other: Pick<Session, 'isClaimed' | 'expiresMs'>): Session {
  // Of one that no client was told of, each coordinator decides by itself how long it waits for that.
  if (!session.isClaimed && !other.isClaimed) return session;
  const expiresMs = Math.max(session.expiresMs, other.expiresMs);
  return { ...session, isClaimed: true, expiresMs };
}
