import { chmodSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openDirectory } from '../../src/files/open-directory.ts';
import { TreeDirectories } from '../../src/tree/tree-directories.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it.each([0o022, 0o077, 0])('directories have their modes at the end, with the umask %o', (mask) => {
  const before = process.umask(mask);
  onTestFinished(() => void process.umask(before));
  const top = temporaryDirectory();
  mkdirSync(join(top, 'old'));
  chmodSync(join(top, 'old'), 0o500);
  const directories = new TreeDirectories(openDirectory(top));
  const wanted = { old: 0o755, 'old/new': 0o755, new: 0o755, 'new/strict': 0o500, last: 0o711 };
  for (const [path, mode] of Object.entries(wanted)) directories.make(path, mode);
  directories.finish();
  const modes = Object.keys(wanted).map((path) => [path, statSync(join(top, path)).mode & 0o7777]);
  expect(Object.fromEntries(modes)).toEqual(wanted);
});

it.each(['path', 'descriptor'] as const)(
  'directories of a tree that was renamed have their modes, held by its %s',
  (how) => {
    const [before, after] = ['before', 'after'].map((name) => join(temporaryDirectory(), name));
    mkdirSync(before ?? '');
    const directories = new TreeDirectories(openDirectory(before ?? '', how));
    directories.make('a', 0o755);
    directories.make('a/b', 0o500);
    directories.enter('a/b');
    renameSync(before ?? '', after ?? '');
    directories.moved(after ?? '');
    directories.finish();
    expect(statSync(join(after ?? '', 'a/b')).mode & 0o7777).toBe(0o500);
    directories.close();
  },
);
