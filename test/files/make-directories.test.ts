import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { makeDirectories } from '../../src/files/make-directories.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

it('directories are made with all missing directories above them', () => {
  const top = temporaryDirectory();
  makeDirectories(join(top, 'a/b/c'), 0o700);
  expect(statSync(join(top, 'a/b')).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(top, 'a/b'))).toEqual(['c']);
  makeDirectories(join(top, 'a/b/c'));
  makeDirectories('/');
});

it('a directory cannot be made where a file is, or below one', () => {
  const top = temporaryDirectory();
  writeFileSync(join(top, 'file'), '');
  expect(() => makeDirectories(join(top, 'file'))).toThrow('EEXIST');
  expect(() => makeDirectories(join(top, 'file/a/b'))).toThrow('ENOTDIR');
});

it.runIf(process.platform === 'linux')(
  'a directory cannot be made in /proc, which is reported',
  () => {
    expect(() => makeDirectories('/proc/gomote/a/b')).toThrow('ENOENT');
  },
);
