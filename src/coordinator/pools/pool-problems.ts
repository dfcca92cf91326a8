// Describes problems of pools, without details that only admins may see.
import type { MachineAllocator } from './machine-allocator.ts';

type Allocators = ReadonlyMap<string, MachineAllocator>;

/** Pools that hand out no machines. */
export const closedPools = (allocators: Allocators): string[] =>
  [...allocators].flatMap(([, { pool, trouble }]) =>
    trouble === undefined ? [] : [`the pool of ${pool.hostType} is not open: ${trouble}`],
  );

/** Pools with unavailable machines. */
export const poolsWithUnavailable = (allocators: Allocators): string[] =>
  [...allocators].flatMap(([, { pool }]) => {
    const count = pool.unavailable?.all.length ?? 0;
    const of = pool.size === undefined ? '' : ` of ${pool.size}`;
    return count === 0 ? [] : [`${pool.hostType}: ${count}${of} machines cannot be lent`];
  });
