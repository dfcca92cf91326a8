// What changed from one file of users to the next, for the audit trail.
import { isDeepStrictEqual } from 'node:util';
import type { UserRecord } from './user-records.ts';

interface UserChange {
  readonly user: string;
  /** `added`, `removed`, or the names of what is different: never a value, which may be a hash. */
  readonly what: string;
}

export function userChanges(
  before: ReadonlyMap<string, UserRecord>,
  after: ReadonlyMap<string, UserRecord>,
): UserChange[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.flatMap((user) => {
    const [old, record] = [before.get(user), after.get(user)];
    if (isDeepStrictEqual(old, record)) return [];
    if (old === undefined) return [{ user, what: 'added' }];
    if (record === undefined) return [{ user, what: 'removed' }];
    const [a, b] = [new Map(Object.entries(old)), new Map(Object.entries(record))];
    const keys = [...new Set([...a.keys(), ...b.keys()])];
    const different = keys.filter((key) => !isDeepStrictEqual(a.get(key), b.get(key)));
    return [{ user, what: different.map((key) => key.replace('tokenHash', 'token')).join(', ') }];
  });
}
