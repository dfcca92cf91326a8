import { describe, expect, it } from 'vitest';
import { timedBucket, tokenBucket } from '../src/rate-limit.ts';

/** A clock that stands still unless told to go on, and notes how long it was asked to wait. */
function handClock() {
  const waits: number[] = [];
  return {
    nowMs: 1_000,
    waits,
    now() {
      return this.nowMs;
    },
    async sleep(delayMs: number) {
      waits.push(delayMs);
    },
  };
}

describe('a token bucket', () => {
  it('allows a burst at once and the rest at its rate', async () => {
    const clock = handClock();
    const gate = timedBucket({ perSecond: 10, burst: 3 }, clock);
    for (let i = 0; i < 6; i++) await gate();
    expect(clock.waits).toEqual([100, 200, 300]);
    // Half a second gives five calls: three have waited for theirs, two are saved up.
    clock.nowMs += 500;
    for (let i = 0; i < 3; i++) await gate();
    expect(clock.waits).toEqual([100, 200, 300, 100]);
  });

  it('never allows more than its burst', async () => {
    const clock = handClock();
    const gate = timedBucket({ perSecond: 4 }, clock);
    clock.nowMs += 3_600_000;
    for (let i = 0; i < 5; i++) await gate();
    expect(clock.waits).toEqual([250]);
  });

  it('stops waiting for a cancelled call', async () => {
    const gate = tokenBucket({ perSecond: 0.001, burst: 1 });
    await gate();
    const cancel = new AbortController();
    const waiting = gate(cancel.signal);
    cancel.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await expect(gate(cancel.signal)).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
