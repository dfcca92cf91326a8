import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { holdDirectory } from '../../src/files/held-directory.ts';
import { emptyDirectory, removeTree } from '../../src/files/remove-tree.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('removes a tree deeper than a path may be long', async () => {
  const directory = temporaryDirectory();
  const half = 'deep/'.repeat(700);
  execFileSync('sh', ['-c', `mkdir -p ${half} && cd ${half} && mkdir -p ${half}`], {
    cwd: directory,
  });
  await removeTree(join(directory, 'deep'));
  expect(readdirSync(directory)).toEqual([]);
});

it('removes a link, not what it leads to; an absent path is no error', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'kept'));
  writeFileSync(join(directory, 'kept/file'), '');
  mkdirSync(join(directory, 'gone'));
  symlinkSync('../kept', join(directory, 'gone/link'));
  await removeTree(join(directory, 'gone'));
  await removeTree(join(directory, 'gone'));
  expect(existsSync(join(directory, 'kept/file'))).toBe(true);
});

it('empties a directory and leaves it', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'a/b'), { recursive: true });
  writeFileSync(join(directory, '-rf'), '');
  const held = holdDirectory(directory);
  await emptyDirectory(held);
  held.close();
  expect(readdirSync(directory)).toEqual([]);
});
