import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Lease } from '../../src/buildlet/lease.ts';

describe('a lease', () => {
  beforeEach(() => void vi.useFakeTimers({ now: 0 }));
  afterEach(() => void vi.useRealTimers());

  it('expires after its time without use, counted from the end of the last', () => {
    const onExpired = vi.fn();
    const lease = new Lease({ idleTimeoutMs: 1000, onExpired });
    vi.advanceTimersByTime(900);
    const over = lease.use();
    vi.advanceTimersByTime(5000);
    expect(onExpired).not.toHaveBeenCalled();
    over();
    over();
    vi.advanceTimersByTime(999);
    expect(onExpired).not.toHaveBeenCalled();
    expect(lease.expiresAt).toEqual(new Date(6900));
    vi.advanceTimersByTime(1);
    expect(onExpired).toHaveBeenCalledExactlyOnceWith('it has been idle');
  });

  it('of two uses is idle only when both have ended', () => {
    const onExpired = vi.fn();
    const lease = new Lease({ idleTimeoutMs: 1000, onExpired });
    const [first, second] = [lease.use(), lease.use()];
    first();
    vi.advanceTimersByTime(2000);
    expect(onExpired).not.toHaveBeenCalled();
    second();
    vi.advanceTimersByTime(1000);
    expect(onExpired).toHaveBeenCalledOnce();
  });

  it('expires at its maximum age even in use, and only once', () => {
    const onExpired = vi.fn();
    const lease = new Lease({ idleTimeoutMs: 5000, maxLifetimeMs: 3000, onExpired });
    lease.use();
    expect(lease.expiresAt).toEqual(new Date(3000));
    vi.advanceTimersByTime(20_000);
    expect(onExpired).toHaveBeenCalledExactlyOnceWith('its lifetime is over');
  });

  it('without limits never expires, and reports so', () => {
    const lease = new Lease({ onExpired: () => expect.unreachable() });
    vi.advanceTimersByTime(10 ** 9);
    expect(lease.expiresAt).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that is stopped leaves no timer', () => {
    const lease = new Lease({
      idleTimeoutMs: 1,
      maxLifetimeMs: 1,
      onExpired: () => expect.unreachable(),
    });
    lease.stop();
    expect(vi.getTimerCount()).toBe(0);
  });
});
