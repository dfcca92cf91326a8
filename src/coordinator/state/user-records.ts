// The records of users as they are in the file, and what follows from one.
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import * as v from 'valibot';
import { namedValues } from '../../config/values.ts';
import { type Priority, priorities } from '../../protocol/priority.ts';

/** `metrics`: may read `/metrics` and nothing else. */
export const roles = ['user', 'admin', 'metrics'] as const;

export type Role = (typeof roles)[number];

export interface User {
  /** Without the prefix `user-`. */
  readonly name: string;
  /** Sees, reaches and ends the buildlets of all. */
  readonly isAdmin: boolean;
  /** May read `/metrics` and nothing else. */
  readonly isMonitor?: boolean | undefined;
  /** How many buildlets at once; absent: as configured for all. */
  readonly maximum?: number | undefined;
  /** The highest priority of its creates; absent: as configured for all. */
  readonly priority?: Priority | undefined;
  /** When the token ends. Absent: never. */
  readonly expiresMs?: number | undefined;
}

/** What an admin may change; null takes a limit away. What is absent stays. */
export interface UserChanges {
  readonly role?: Role | undefined;
  readonly maximum?: number | null | undefined;
  readonly priority?: Priority | null | undefined;
  readonly expires?: Date | null | undefined;
}

const userSchema = v.object({
  role: v.picklist(roles),
  /** SHA-256, hex. The token has 256 random bits, so no slower hash is needed. One that is missing locks out this user alone. */
  tokenHash: v.fallback(v.string(), ''),
  created: v.string(),
  maximum: v.optional(v.number()),
  priority: v.optional(v.picklist(priorities)),
  /** When the token ends. */
  expires: v.optional(v.string()),
  /** Whom a provider signs in by this name; absent for users with tokens of their own. */
  subject: v.optional(v.string()),
  /** Tokens that were given at such sign-ins. */
  signIns: v.optional(v.array(v.object({ tokenHash: v.string(), until: v.string() }))),
  /** The token before, while it is still good. */
  previous: v.optional(v.object({ tokenHash: v.string(), until: v.string() })),
});

const changeSchema = v.object({
  user: v.string(),
  what: v.string(),
  at: v.string(),
  /** Who did it, such as `local:alice`. */
  by: v.string(),
});

/** `namedValues` keeps every name, also `constructor` and `__proto__`, and finds nothing that is not in the file. */
export const usersSchema = v.object({
  users: namedValues(v.string(), userSchema),
  /** The latest changes, for the audit trails of coordinators. Damage to them locks nobody out. */
  changes: v.fallback(v.array(changeSchema), []),
});

export type UserRecord = v.InferOutput<typeof userSchema>;
export type NotedChange = v.InferOutput<typeof changeSchema>;
export type UsersContent = v.InferOutput<typeof usersSchema>;

export const hashOf = (token: string): Buffer => hash('sha256', token, 'buffer');

/** Compared with in place of a hash that is not there, so that the time taken is the same. */
const noHash = Buffer.alloc(32);

/** The bytes of a whole SHA-256 in hex; undefined for anything else, which no token matches. */
export const wholeHash = (text: string | undefined): Buffer | undefined =>
  text !== undefined && /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : undefined;

/** The prefix lets those who search for leaked secrets find it. */
export const newToken = (): string => `gomote_${randomBytes(32).toString('base64url')}`;

/** Whether the token is the user's, or was until a moment that has not come yet. */
export function hasToken(record: UserRecord | undefined, token: string): boolean {
  const { tokenHash, previous, signIns = [] } = record ?? {};
  const others = [...(previous === undefined ? [] : [previous]), ...signIns].filter(isGood);
  const hashes = [tokenHash, ...others.map((one) => one.tokenHash)].map(wholeHash);
  const given = hashOf(token);
  const matches = hashes.map((hash) => {
    const isEqual = timingSafeEqual(given, hash ?? noHash);
    return isEqual && hash !== undefined;
  });
  return token !== '' && matches.includes(true);
}

/** Whether the token is still good; a time that cannot be read is over. */
export const isGood = ({ until }: { readonly until: string }): boolean =>
  Date.parse(until) > Date.now();

/** A time that cannot be read is over. */
export const isExpired = ({ expires }: UserRecord): boolean =>
  expires !== undefined && !(Date.parse(expires) > Date.now());

export function changed(
  { maximum, priority, expires, ...record }: UserRecord,
  changes: UserChanges,
): UserRecord {
  const most = changes.maximum === undefined ? maximum : (changes.maximum ?? undefined);
  const highest = changes.priority === undefined ? priority : (changes.priority ?? undefined);
  const end =
    changes.expires === undefined ? expires : (changes.expires?.toISOString() ?? undefined);
  return {
    ...record,
    role: changes.role ?? record.role,
    ...(most !== undefined && { maximum: most }),
    ...(highest !== undefined && { priority: highest }),
    ...(end !== undefined && { expires: end }),
  };
}

export const toUser = (name: string, { role, maximum, priority, expires }: UserRecord): User => ({
  name,
  isAdmin: role === 'admin',
  ...(role === 'metrics' && { isMonitor: true }),
  maximum,
  priority,
  ...(expires !== undefined && { expiresMs: Date.parse(expires) }),
});
