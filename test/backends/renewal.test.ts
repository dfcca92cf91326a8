import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { renewalIntervalMs, startRenewal, Throttle } from '../../src/backends/renewal.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const call = { signal: new AbortController().signal };

it('a throttle lets one renewal of a name through in a minute', () => {
  const throttle = new Throttle();
  expect(throttle.take('a')).toBe(true);
  expect(throttle.take('a')).toBe(false);
  expect(throttle.take('b')).toBe(true);
  vi.advanceTimersByTime(renewalIntervalMs);
  expect(throttle.take('a')).toBe(true);
});

it('a throttle counts a renewal by another process', () => {
  const throttle = new Throttle();
  throttle.note('a', Date.now() - renewalIntervalMs / 2);
  expect(throttle.take('a')).toBe(false);
  vi.advanceTimersByTime(renewalIntervalMs / 2);
  expect(throttle.take('a')).toBe(true);
});

it('a throttle forgets names that are no longer renewed', () => {
  const throttle = new Throttle();
  for (let i = 0; i < 1_000; i++) expect(throttle.take(`a${i}`)).toBe(true);
  vi.advanceTimersByTime(renewalIntervalMs);
  throttle.take('b');
  expect(throttle.size).toBe(1);
});

it('a long use renews the lease at once and every minute, but not after its end', async () => {
  let renewed = 0;
  const renew = async () => void renewed++;
  const stop = startRenewal(renew, call, () => undefined);
  expect(renewed).toBe(1);
  vi.advanceTimersByTime(2 * renewalIntervalMs);
  expect(renewed).toBe(3);
  await stop();
  vi.advanceTimersByTime(2 * renewalIntervalMs);
  expect(renewed).toBe(3);
});

it('a long use reports a failed renewal, and waits for a pending one', async () => {
  const errors: unknown[] = [];
  const renew = async () => {
    await Promise.resolve();
    throw new Error('no rights');
  };
  await startRenewal(renew, call, (error) => errors.push(error))();
  expect(errors).toEqual([new Error('no rights')]);
});
