// The last 24 hours of pools: the most of each 10 minutes, kept over a restart.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { PoolLoads } from '../../../src/coordinator/page/pool-loads.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

afterEach(() => void vi.useRealTimers());

const stepMs = 600_000;
const startMs = Date.UTC(2026, 10, 28);

function open(path = join(temporaryDirectory(), 'loads.json')) {
  vi.useFakeTimers({ now: startMs, toFake: ['Date', 'setInterval', 'clearInterval'] });
  const load = { name: 'linux', lent: 0, waiting: 0 };
  const troubles: string[] = [];
  const onTrouble = (what: string) => troubles.push(what);
  return { path, load, troubles, loads: new PoolLoads({ path, now: () => [load], onTrouble }) };
}

it('pool loads have the maximum in use and waiting of each step', async () => {
  const { path, load, loads } = open();
  Object.assign(load, { lent: 3, waiting: 1 });
  loads.look();
  Object.assign(load, { lent: 2, waiting: 0 });
  loads.look();
  vi.setSystemTime(startMs + 2 * stepMs);
  loads.look();
  const check = ({ view }: PoolLoads) => {
    const { used = [], waiting = [] } = view.pools.linux ?? {};
    expect([used.length, used.slice(-3), waiting.slice(-3)]).toEqual([
      144,
      [3, null, 2],
      [1, null, 0],
    ]);
    expect(view.endMs).toBe(startMs + 3 * stepMs);
  };
  check(loads);
  await loads.close();
  const next = new PoolLoads({ path, now: () => [], onTrouble: () => undefined });
  check(next);
  vi.setSystemTime(startMs + 143 * stepMs);
  expect(next.view.pools.linux?.used.slice(0, 3)).toEqual([3, null, 2]);
  vi.setSystemTime(startMs + 300 * stepMs);
  next.look();
  expect(next.view.pools).toEqual({});
  await next.close();
});

it('pool loads begin empty when their file is invalid', async () => {
  const path = join(temporaryDirectory(), 'loads.json');
  writeFileSync(path, '{"pools":[["x",[[1,-2,3]]]]}', { mode: 0o600 });
  const { loads, troubles } = open(path);
  expect(loads.view.pools).toEqual({});
  expect(troubles).toEqual([expect.stringContaining('is left out')]);
  await loads.close();
});
