import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Hold } from '../../src/http/server/hold.ts';

describe('a held resource', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('ends some time after its last holder has left', () => {
    const onLost = vi.fn();
    const hold = new Hold(onLost);
    const [first, second] = [hold.take(1_000, vi.fn()), hold.take(5_000, vi.fn())];
    first();
    vi.advanceTimersByTime(60_000);
    expect(onLost).not.toHaveBeenCalled();
    second();
    second();
    vi.advanceTimersByTime(4_999);
    expect(onLost).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(onLost).toHaveBeenCalledOnce();
  });

  it('survives when it is held again in time', () => {
    const onLost = vi.fn();
    const hold = new Hold(onLost);
    hold.take(1_000, vi.fn())();
    vi.advanceTimersByTime(999);
    hold.take(1_000, vi.fn());
    vi.advanceTimersByTime(60_000);
    expect(onLost).not.toHaveBeenCalled();
  });

  it('ends after its initial time if nobody has ever held it', () => {
    const onLost = vi.fn();
    new Hold(onLost).expect(1_000);
    const held = new Hold(() => expect.unreachable());
    held.take(0, vi.fn());
    held.expect(1_000);
    vi.advanceTimersByTime(1_000);
    expect(onLost).toHaveBeenCalledOnce();
  });

  it('survives when it is released, and its holders are informed', () => {
    const hold = new Hold(() => expect.unreachable());
    const onReleased = vi.fn();
    const leave = hold.take(1_000, onReleased);
    hold.release();
    leave();
    expect(onReleased).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });
});
