// What a new configuration changes in the pools of a coordinator that runs.
import { isDeepStrictEqual } from 'node:util';
import { GomoteError } from '../../errors.ts';
import type { PoolConfig } from '../pool-config.ts';
import type { PoolTableChange } from './pool-table.ts';

interface PoolChanges extends Pick<PoolTableChange, 'changed' | 'removed' | 'order'> {
  readonly added: readonly PoolConfig[];
}

/** Throws ERR_CONFIG for what cannot be changed before the next start. */
export function poolChanges(
  before: readonly PoolConfig[],
  after: readonly PoolConfig[],
): PoolChanges {
  const known = new Map(before.map((pool) => [pool.name, pool]));
  const changed = after.filter((pool) => {
    const old = known.get(pool.name);
    if (old === undefined || isDeepStrictEqual(old, pool)) return false;
    const what = whatStays(old, pool);
    if (what === undefined) return true;
    throw new GomoteError(
      'ERR_CONFIG',
      `pools.${pool.name}: its ${what} cannot be changed by a reload`,
      { hint: 'start the coordinator again, or give the new pool another name' },
    );
  });
  const order = after.map(({ name }) => name);
  const added = after.filter(({ name }) => !known.has(name));
  const removed = before.filter(({ name }) => !order.includes(name));
  for (const pool of after) refuseTakeover(pool, before);
  return { added, changed, removed, order };
}

/** Throws ERR_CONFIG for a machine that another pool has or had: it may be in use. */
function refuseTakeover(pool: PoolConfig, before: readonly PoolConfig[]): void {
  if (pool.kind !== 'static') return;
  const others = before.flatMap((other) =>
    other.kind === 'static' && other.name !== pool.name ? other.machines : [],
  );
  const taken = pool.machines.find(({ address }) => others.some((one) => one.address === address));
  if (taken === undefined) return;
  const message = `pools.${pool.name}: ${taken.address} cannot be moved there by a reload`;
  throw new GomoteError('ERR_CONFIG', message, { hint: 'start the coordinator again for that' });
}

/** What says where the machines are that are in use now. */
function whatStays(old: PoolConfig, pool: PoolConfig): string | undefined {
  if (old.kind !== pool.kind) return 'kind';
  if (old.host.name !== pool.host.name) return 'host';
  const usersOf = (one: PoolConfig) => (one.kind === 'local' ? one.users : undefined);
  if (!isDeepStrictEqual(usersOf(old), usersOf(pool))) return 'uids';
  const isSameBackend =
    old.kind !== 'backend' ||
    pool.kind !== 'backend' ||
    isDeepStrictEqual(old.backend, pool.backend);
  return isSameBackend ? undefined : 'backend';
}
