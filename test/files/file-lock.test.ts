import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeLock } from '../../src/files/file-lock.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('of many that make a lock at once one succeeds, and it is whole whenever it is there', async () => {
  const directory = temporaryDirectory();
  const path = join(directory, 'lock');
  const contents = Array.from({ length: 50 }, (_, i) => `${i}`.repeat(2_000));
  const seen: string[] = [];
  const made = await Promise.all(
    contents.map(async (content) => {
      const isMade = await makeLock(path, content);
      seen.push(readFileSync(path, 'utf8'));
      return isMade;
    }),
  );
  expect(made.filter(Boolean)).toHaveLength(1);
  const winner = contents[made.indexOf(true)];
  expect(new Set(seen)).toEqual(new Set([winner]));
  expect(readdirSync(directory)).toEqual(['lock']);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});
