// What an allocator waits for ends with it.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { MachineAllocator } from '../../src/coordinator/pools/machine-allocator.ts';
import { MachineQueue } from '../../src/coordinator/pools/machine-queue.ts';
import type { Pool } from '../../src/coordinator/pools/pool.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const poolOf = (more: Pick<Partial<Pool>, 'acquire' | 'release' | 'reconcile'>): Pool => ({
  ...{ name: 'p', hostType: 'h', kind: 'k', capacity: 1, shared: undefined },
  onCapacity: () => undefined,
  onLost: () => undefined,
  acquire: async () => 'm',
  release: async () => undefined,
  connect: async () => {
    throw new Error('unused');
  },
  explain: async (_, error) => error,
  reconcile: async () => new Set(),
  close: async () => undefined,
  ...more,
});

const fails = async () => {
  throw new Error('not now');
};

const options = (warm: number) => ({
  scaling: { warm, minimum: 0, keepMs: 0 },
  onTrouble: () => undefined,
  onLost: () => undefined,
});

it.each([
  { what: 'a machine that is to be made ahead', more: { acquire: fails }, warm: 1 },
  { what: 'a machine that is to be taken back', more: { release: fails }, warm: 0 },
  { what: 'a pool that is to be looked at', more: { reconcile: fails }, warm: 0 },
])('a closed allocator waits no longer for $what', async ({ more, warm }) => {
  const allocator = new MachineAllocator(poolOf(more), options(warm));
  new MachineQueue('h', () => undefined).setAllocators([allocator]);
  const opened = allocator.open(new Set(['m']));
  const returned = allocator.giveBack('m');
  await vi.waitUntil(() => vi.getTimerCount() > 0);
  const before = vi.getTimerCount();
  await allocator.close();
  await Promise.all([opened, returned]);
  expect(before).toBeGreaterThan(0);
  expect(vi.getTimerCount()).toBe(0);
});

it('an allocator that retries after a failure keeps no timer of the first wait', async () => {
  let failures = 2;
  const release = async () => {
    if (failures-- > 0) throw new Error('not now');
  };
  const allocator = new MachineAllocator(poolOf({ release }), options(0));
  await allocator.open(new Set(['m']));
  const returned = allocator.giveBack('m');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(await returned).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
  await allocator.close();
});
