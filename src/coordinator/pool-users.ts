// The part of a local pool's section that gives each of its machines a user of its own.
import * as v from 'valibot';
import type { UserIds } from '../backends/local/own-users.ts';
import { badValue } from '../config/file.ts';

const uid = v.pipe(
  v.number(),
  v.integer('a user id is a whole number'),
  v.minValue(1000, 'lower ids are for the system'),
  v.maxValue(2 ** 31 - 1, 'there are no such user ids'),
);

export const userOptions = {
  uids: v.optional(v.strictTuple([uid, uid], 'give two: the first and the last')),
  'machines-directory': v.optional(
    v.pipe(v.string(), v.regex(/^\/[^\0]*[^\0/]$/, 'give an absolute path, and not / itself')),
  ),
};

interface UserSection {
  readonly maximum: number;
  readonly uids?: readonly [number, number] | undefined;
  readonly directory?: string | undefined;
}

/** Throws ERR_CONFIG, naming the file, the key and the value. */
export function usersOf(
  path: string,
  key: string,
  { uids, maximum, directory }: UserSection,
): UserIds | undefined {
  if (uids === undefined) {
    if (directory === undefined) return undefined;
    throw badValue(path, `${key}.machines-directory`, directory, 'it goes with uids');
  }
  const [first, last] = uids;
  // One that ends may still have its id when the next is made.
  if (last - first + 1 < 2 * maximum) {
    const why = `there must be two for each of its ${maximum} machines`;
    throw badValue(path, `${key}.uids`, uids, why);
  }
  return { first, last, directory: directory ?? '/var/lib/gomote-machines' };
}

interface PoolWithUsers {
  readonly name: string;
  readonly users?: UserIds | undefined;
}

/** Throws ERR_CONFIG where a machine of one pool would end the processes of another's. */
export function refuseSharedIds(path: string, pools: readonly PoolWithUsers[]): void {
  const ranges = pools
    .flatMap(({ name, users }) => (users === undefined ? [] : [{ name, ...users }]))
    .sort((a, b) => a.first - b.first);
  ranges.forEach(({ name, first, last }, index) => {
    const before = ranges[index - 1];
    if (before === undefined || before.last < first) return;
    const why = `some of these are those of pools.${before.name}`;
    throw badValue(path, `pools.${name}.uids`, [first, last], why);
  });
}
