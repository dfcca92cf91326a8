// What changed from one file of users to the next, for the audit trail.
import { isDeepStrictEqual } from 'node:util';
import type { NotedChange, UserRecord, UsersContent } from './user-records.ts';

type Records = ReadonlyMap<string, UserRecord>;

export interface UserChange {
  readonly user: string;
  /** `added`, `removed`, or the names of what is different: never a value, which may be a hash. */
  readonly what: string;
}

/** Sign-ins by a provider are no changes: they have rows of their own. */
export function userChanges(before: Records, after: Records): UserChange[] {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort();
  return names.flatMap((user) => {
    const [old, record] = [before.get(user), after.get(user)];
    if (old === undefined) return [{ user, what: 'added' }];
    if (record === undefined) return [{ user, what: 'removed' }];
    const [a, b] = [new Map(Object.entries(old)), new Map(Object.entries(record))];
    const keys = [...new Set([...a.keys(), ...b.keys()])];
    const different = keys.filter(
      (key) => key !== 'signIns' && !isDeepStrictEqual(a.get(key), b.get(key)),
    );
    const what = different.map((key) => key.replace('tokenHash', 'token')).join(', ');
    return what === '' ? [] : [{ user, what }];
  });
}

/**
 * The changes that the file notes since `before`, and those that somebody made by editing it. Without `before`, only
 * those that it notes.
 */
export function changesSince(
  before: UsersContent | undefined,
  after: UsersContent,
): (UserChange | NotedChange)[] {
  const known = new Set(before?.changes.map((change) => JSON.stringify(change)));
  const noted = after.changes.filter((change) => !known.has(JSON.stringify(change)));
  const all = before === undefined ? [] : userChanges(before.users, after.users);
  const edits = all.flatMap(({ user, what }) => {
    const explained = noted.flatMap((one) => (one.user === user ? one.what.split(', ') : []));
    if (explained.includes('added') || explained.includes('removed')) return [];
    const rest = what.split(', ').filter((one) => !explained.includes(one));
    return rest.length === 0 ? [] : [{ user, what: rest.join(', ') }];
  });
  return [...noted, ...edits];
}
