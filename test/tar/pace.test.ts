import { afterEach, describe, expect, it, vi } from 'vitest';
import { Pace } from '../../src/tar/compress.ts';

let nowMs = 0;

/** A pace whose clock the test moves: `member` makes one in so many ms, and has it taken in so many. */
function start(expectedMs: number) {
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
  const pace = new Pace(expectedMs);
  const member = (makingMs: number, takingMs: number) => {
    nowMs += makingMs;
    pace.ready();
    nowMs += takingMs;
    pace.taken();
  };
  return { pace, member };
}

afterEach(() => void vi.restoreAllMocks());

describe('Pace', () => {
  it('keeps treating a link as slow that takes many members at once, and then none for a while', () => {
    const { pace, member } = start(60);
    for (let burst = 0; burst < 20; burst++) {
      for (let count = 0; count < 19; count++) {
        member(3, 0);
        expect(pace.readerIsSlow).toBe(true);
      }
      member(3, 200);
    }
  });

  it('recognizes a fast network and a slow reader', () => {
    const network = start(60);
    for (let count = 0; count < 100; count++) network.member(4, 0.5);
    expect(network.pace.readerIsSlow).toBe(false);
    const reader = start(0);
    expect(reader.pace.readerIsSlow).toBe(false);
    for (let count = 0; count < 10; count++) reader.member(2, 20);
    expect(reader.pace.readerIsSlow).toBe(true);
  });

  it('keeps the settings for a slow reader while both are about as fast', () => {
    const { pace, member } = start(0);
    for (let count = 0; count < 100; count++) member(4, 5);
    expect(pace.readerIsSlow).toBe(false);
    for (let count = 0; count < 100; count++) member(1, 9);
    expect(pace.readerIsSlow).toBe(true);
    for (let count = 0; count < 100; count++) member(4, 5);
    expect(pace.readerIsSlow).toBe(true);
  });
});
