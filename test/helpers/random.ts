// Random numbers for tests of random moments. A test that fails prints its seed, and GOMOTE_TEST_SEED repeats it.
import { randomInt } from 'node:crypto';
import { onTestFailed, onTestFinished } from 'vitest';

let current: ((limit: number) => number) | undefined;

/** Gives whole numbers from 0 up to a limit; the same ones for the same seed. */
export function randomNumbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** A whole number from 0 up to the limit, of the seed of the current test. */
export function random(limit: number): number {
  current ??= ofThisTest();
  return current(limit);
}

function ofThisTest(): (limit: number) => number {
  const seed = Number(process.env.GOMOTE_TEST_SEED ?? randomInt(2 ** 32));
  onTestFailed(() => console.error(`its random numbers come again with GOMOTE_TEST_SEED=${seed}`));
  onTestFinished(() => {
    current = undefined;
  });
  return randomNumbers(seed);
}
