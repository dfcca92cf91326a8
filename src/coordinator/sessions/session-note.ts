// The note of a session on its machine, readable by every coordinator on the platform.
import * as v from 'valibot';
import { buildletName } from '../../protocol/buildlet-name.ts';
import { shortName } from '../../protocol/reply-fields.ts';
import { type Session, sessionSchema } from './session.ts';

const ofSession = v.pick(sessionSchema, [
  ...(['builderType', 'hostType', 'createdMs', 'expiresMs', 'key', 'labels'] as const),
]);

const schema = v.object({
  team: v.string(),
  // The note is on a machine, whose user may have changed it, and the name becomes a file's.
  name: v.pipe(v.string(), v.regex(buildletName)),
  owner: shortName,
  ...ofSession.entries,
  /** False while its coordinator only asks whether another has given the name. */
  isSettled: v.boolean(),
});

/** What one coordinator can know of another's session. */
export type SharedSession = Readonly<Omit<v.InferOutput<typeof schema>, 'team'>> & {
  readonly machine: string;
};

export function formatNote(
  team: string,
  session: Session,
  { isSettled = true }: { isSettled?: boolean | undefined } = {},
): string {
  const { name, owner, builderType, hostType, createdMs, expiresMs, key, labels } = session;
  const own = { name, owner, builderType, hostType, createdMs, expiresMs, key, labels };
  const kept = { team, ...own, isSettled };
  return JSON.stringify(kept);
}

/** Undefined when the note is not of a session of the team. */
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
