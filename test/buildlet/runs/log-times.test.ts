import { describe, expect, it } from 'vitest';
import { LogTimes } from '../../../src/buildlet/runs/log-times.ts';

function timesOf(pairs: readonly (readonly [number, number])[], limit?: number): LogTimes {
  const times = new LogTimes(limit);
  for (const [offset, moment] of pairs) times.add(offset, moment);
  return times;
}

const four = [
  [0, 1_000],
  [10, 1_000.4],
  [20, 1_005],
  [30, 9_000],
] as const;

describe('the times of a log', () => {
  it.each([
    [
      0,
      40,
      [
        [0, 1_000],
        [20, 1_005],
        [30, 9_000],
      ],
    ],
    [10, 20, [[10, 1_000]]],
    [20, 30, [[20, 1_005]]],
    [
      25,
      31,
      [
        [25, 1_005],
        [30, 9_000],
      ],
    ],
    [30, 30, []],
    [50, 60, [[50, 9_000]]],
  ])('are told from offset %i to %i', (from, to, found) => {
    expect(timesOf(four).between(from, to)).toEqual(found);
  });

  it('of an empty log are empty', () => {
    expect(new LogTimes().between(0, 10)).toEqual([]);
  });

  it('are dropped with the output, except for the last one before it', () => {
    const times = timesOf(four);
    times.dropBefore(25);
    expect(times.between(0, 100)).toEqual([
      [20, 1_005],
      [30, 9_000],
    ]);
    times.dropBefore(1_000);
    expect(times.between(1_000, 2_000)).toEqual([[1_000, 9_000]]);
  });

  it('become coarser when there are many, and keep the silences', () => {
    const pairs: [number, number][] = [];
    for (let i = 0; i < 1_000; i++) pairs.push([i * 10, 1_000 + i + (i >= 500 ? 60_000 : 0)]);
    const found = timesOf(pairs, 100).between(0, 10_000);
    expect(found.length).toBeLessThanOrEqual(100);
    expect(found).toContainEqual([5_000, 61_500]);
    for (const [offset, moment] of found) {
      expect(pairs).toContainEqual([offset, moment]);
    }
  });
});
