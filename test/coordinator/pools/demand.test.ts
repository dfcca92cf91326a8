// How long a pool remembers how much it was used.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Demand } from '../../../src/coordinator/pools/demand.ts';

it('the peak is the maximum in use within the time, in any order of events', () => {
  const steps = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 40 })), { maxLength: 30 });
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 60 }), (all, keepMs) => {
      const demand = new Demand(keepMs);
      const levels: { count: number; from: number; to: number }[] = [];
      let now = 0;
      for (const [count, forMs] of all) {
        demand.note(count, now);
        levels.push({ count, from: now, to: now + forMs });
        now += forMs;
        const last = levels.at(-1)!;
        const recent = levels.filter((one) => one === last || one.to + keepMs > now);
        expect(demand.peak(now)).toBe(Math.max(...recent.map((one) => one.count)));
      }
    }),
  );
});

it('no peak is kept without a time', () => {
  const demand = new Demand(0);
  demand.note(5, 0);
  demand.note(1, 1);
  expect([demand.peak(2), demand.changesIn(2)]).toEqual([1, undefined]);
});
