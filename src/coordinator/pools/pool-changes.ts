// What a new configuration changes in the pools of a coordinator that runs.
import { isDeepStrictEqual } from 'node:util';
import { GomoteError } from '../../errors.ts';
import type { PoolConfig } from '../pool-config.ts';

interface PoolChanges {
  readonly added: readonly PoolConfig[];
  /** Of the same machines, with other settings. */
  readonly changed: readonly PoolConfig[];
  /** Their host types. */
  readonly removed: readonly string[];
}

/** Throws ERR_CONFIG for what cannot be changed before the next start. */
export function poolChanges(
  before: readonly PoolConfig[],
  after: readonly PoolConfig[],
): PoolChanges {
  const known = new Map(before.map((pool) => [pool.host.name, pool]));
  const changed = after.filter((pool) => {
    const old = known.get(pool.host.name);
    if (old === undefined || isDeepStrictEqual(old, pool)) return false;
    const what = whatStays(old, pool);
    if (what === undefined) return true;
    throw new GomoteError(
      'ERR_CONFIG',
      `pools.${pool.name}: its ${what} cannot be changed by a reload`,
      { hint: 'start the coordinator again, or give the new pool another host type' },
    );
  });
  const wanted = new Set(after.map(({ host }) => host.name));
  return {
    added: after.filter(({ host }) => !known.has(host.name)),
    changed,
    removed: [...known.keys()].filter((name) => !wanted.has(name)),
  };
}

/** What says where the machines are that are in use now. */
function whatStays(old: PoolConfig, pool: PoolConfig): string | undefined {
  if (old.kind !== pool.kind) return 'kind';
  if (old.name !== pool.name) return 'name';
  const isSameBackend =
    old.kind !== 'backend' ||
    pool.kind !== 'backend' ||
    isDeepStrictEqual(old.backend, pool.backend);
  return isSameBackend ? undefined : 'backend';
}
