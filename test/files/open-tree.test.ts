// The directories of a tree, kept open while they are used.
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { bestAccess, openDirectory } from '../../src/files/open-directory.ts';
import { OpenTree } from '../../src/files/open-tree.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('the top of a tree is its directory by every name, also after another was used', () => {
  const path = temporaryDirectory();
  mkdirSync(join(path, 'a/b'), { recursive: true });
  const tree = OpenTree.of(path);
  onTestFinished(() => tree.close());
  for (const name of ['', '.', 'a/b', '.', 'a', '']) {
    const found = tree.directory(name);
    if (name === '' || name === '.') expect(found).toBe(tree.top);
    else expect(found.path).toBe(join(path, name));
  }
});

it.each([
  ['absent', 'ENOENT'],
  ['file', 'ENOTDIR'],
  ['link', 'ENOTDIR'],
  ['link/b', 'ENOTDIR'],
  ['x/'.repeat(40_000), 'ENAMETOOLONG'],
])('a path that is no directory of a tree gives the system’s error: %.10s', (name, code) => {
  const path = temporaryDirectory();
  mkdirSync(join(path, 'a/b'), { recursive: true });
  writeFileSync(join(path, 'file'), '');
  symlinkSync('a', join(path, 'link'));
  const tree = OpenTree.of(path);
  onTestFinished(() => tree.close());
  expect(() => tree.directory(name)).toThrow(expect.objectContaining({ code }));
});

it('a directory that is opened by its path is used by that, also where descriptors could be', () => {
  const path = temporaryDirectory();
  const [byPath, best] = [openDirectory(path, 'path'), openDirectory(path)];
  onTestFinished(() => [byPath, best].forEach((one) => void one.close()));
  expect(byPath.self).toBe(path);
  if (bestAccess === 'descriptor') expect(best.self).not.toBe(path);
});
