// Turns at a file: one after the other, also after one that died, and an end to waiting.
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as breathe } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { withFileLock } from '../../../src/coordinator/state/with-file-lock.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';

const newPath = () => join(temporaryDirectory(), 'file');

/** A lock that was made so long ago. */
function leave(path: string, agoMs: number): void {
  writeFileSync(`${path}.lock`, 'theirs');
  const made = new Date(Date.now() - agoMs);
  utimesSync(`${path}.lock`, made, made);
}

it('come one after the other, and leave nothing behind', async () => {
  const path = newPath();
  let inside = 0;
  let most = 0;
  const turn = async (number: number) =>
    await withFileLock(path, async () => {
      most = Math.max(most, ++inside);
      await breathe();
      inside--;
      return number;
    });
  const numbers = Array.from({ length: 30 }, (_, i) => i);
  expect(await Promise.all(numbers.map(turn))).toEqual(numbers);
  expect(most).toBe(1);
  expect(readdirSync(dirname(path))).toEqual([]);
});

it('end with their work, also when it fails', async () => {
  const path = newPath();
  await expect(withFileLock(path, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
  expect(existsSync(`${path}.lock`)).toBe(false);
});

it('go on after one whose program died, one at a time', async () => {
  const path = newPath();
  leave(path, 60_000);
  let inside = 0;
  const turn = () =>
    withFileLock(path, async () => {
      expect(++inside).toBe(1);
      await breathe();
      inside--;
    });
  await Promise.all(Array.from({ length: 10 }, turn));
  expect(readdirSync(dirname(path))).toEqual([]);
});

it('are not waited for for ever', async () => {
  const path = newPath();
  leave(path, 0);
  const work = () => Promise.reject(new Error('it was another’s turn'));
  await expect(withFileLock(path, work, { patienceMs: 50 })).rejects.toMatchObject({
    code: 'ERR_CONFLICT',
    hint: expect.stringContaining('.lock'),
  });
  expect(existsSync(`${path}.lock`)).toBe(true);
});
