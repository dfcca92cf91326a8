import { expect, it, vi } from 'vitest';
import { NamePool } from '../../src/backends/name-pool.ts';

it('gives many at once their names with one listing', async () => {
  const list = vi.fn(async () => ['me-x-1', 'me-x-3', 'me-y-0']);
  const pool = new NamePool(list);
  const names = await Promise.all(Array.from({ length: 4 }, () => pool.reserve('me-x')));
  expect(names).toEqual(['me-x-0', 'me-x-2', 'me-x-4', 'me-x-5']);
  expect(list).toHaveBeenCalledOnce();
});

it('gives a name again that was given up, and one that was made to nobody', async () => {
  const pool = new NamePool(async () => []);
  await pool.release(await pool.reserve('a'), 'made');
  const second = await pool.reserve('a');
  await pool.release(second, 'given up');
  expect([second, await pool.reserve('a')]).toEqual(['a-1', 'a-1']);
});

it('looks again after a conflict, and does not give the name that is held', async () => {
  const listings = [[], ['a-0', 'a-1', 'a-2']];
  const pool = new NamePool(async () => listings.shift() ?? []);
  expect(await pool.reserve('a')).toBe('a-0');
  pool.conflict();
  expect(await pool.reserve('a')).toBe('a-3');
});

it('believes no listing for long, and none that failed', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  try {
    const list = vi.fn<() => Promise<string[]>>().mockRejectedValueOnce(new Error('down'));
    list.mockResolvedValue(['a-0']);
    const pool = new NamePool(list);
    await expect(pool.reserve('a')).rejects.toThrow('down');
    expect(await pool.reserve('a')).toBe('a-1');
    vi.setSystemTime(Date.now() + 11_000);
    list.mockResolvedValue([]);
    expect(await pool.reserve('a')).toBe('a-0');
  } finally {
    vi.useRealTimers();
  }
});
