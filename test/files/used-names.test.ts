import { readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { UsedNames } from '../../src/files/used-names.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('numbers of names only grow, whichever user asks and whichever number is free', () => {
  const directory = join(temporaryDirectory(), 'names');
  const one = new UsedNames(directory);
  const other = new UsedNames(directory);
  expect([one.take('a-x'), other.take('a-x'), one.take('a-x')]).toEqual([
    'a-x-0',
    'a-x-1',
    'a-x-2',
  ]);
  expect(one.take('a')).toBe('a-0');
  expect(one.take('a-x', (name) => ['a-x-3', 'a-x-4'].includes(name))).toBe('a-x-5');
});

it('used names are forgotten after a day, except for the last one', () => {
  const directory = temporaryDirectory();
  const past = new Date(Date.now() - 25 * 3_600_000);
  for (const name of ['a-3', 'a-7', 'b-1', 'a-b-9']) {
    writeFileSync(join(directory, name), '');
    utimesSync(join(directory, name), past, past);
  }
  expect(new UsedNames(directory).take('a')).toBe('a-8');
  expect(readdirSync(directory).sort()).toEqual(['a-7', 'a-8', 'a-b-9', 'b-1']);
});
