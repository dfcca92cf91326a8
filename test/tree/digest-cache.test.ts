import { lstatSync, renameSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { DigestCache, type FileIdentity } from '../../src/tree/digest-cache.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const old: FileIdentity = { size: 5, mtimeMs: 1000.5, ctimeMs: 1000.5, ino: 7 };

function remembered(file: FileIdentity, startedMs: number): DigestCache {
  const cache = new DigestCache();
  cache.remember('f', file, 'digest', startedMs);
  return cache;
}

test('a cache gives the digest of an unchanged file, under its own key', () => {
  const cache = remembered(old, 2000);
  expect(cache.lookup('f', { ...old })).toBe('digest');
  expect(cache.lookup('g', old)).toBeUndefined();
});

test.each(['size', 'mtimeMs', 'ctimeMs', 'ino'] as const)(
  'a cache forgets a digest when %s differs',
  (field) => {
    expect(remembered(old, 2000).lookup('f', { ...old, [field]: 8 })).toBeUndefined();
  },
);

test.each([
  ['its content just before', { ...old, mtimeMs: 1990 }],
  ['its time just before', { ...old, ctimeMs: 1990 }],
  ['a file of the future', { ...old, mtimeMs: 9999 }],
  ['a time in whole seconds, two of them ago', { ...old, ctimeMs: 0, mtimeMs: 0 }],
])('a cache keeps nothing of a file that could change unseen: %s', (_what, file) => {
  expect(remembered(file, 2000).lookup('f', file)).toBeUndefined();
});

test('an entry that may have changed replaces the known one', () => {
  const cache = remembered(old, 2000);
  cache.remember('f', { ...old, mtimeMs: 2999 }, 'other', 3000);
  expect(cache.lookup('f', old)).toBeUndefined();
});

test('a cache is restored from its entries, and drops the oldest beyond its limit', () => {
  const cache = new DigestCache(remembered(old, 2000).entries(), 2);
  cache.remember('g', old, 'g', 2000);
  expect(cache.lookup('f', old)).toBe('digest');
  cache.remember('h', old, 'h', 2000);
  expect(['f', 'g', 'h'].map((key) => cache.lookup(key, old))).toEqual([undefined, 'g', 'h']);
});

test('changed content with the old time, size and name is detected on a real file', async () => {
  const path = join(temporaryDirectory(), 'f');
  writeFileSync(path, 'hello');
  utimesSync(path, 1e9, 1e9);
  const before = lstatSync(path);
  const cache = new DigestCache();
  await until(() => Date.now() - before.ctimeMs > 100);
  cache.remember('f', before, 'digest', Date.now());
  expect(cache.lookup('f', lstatSync(path))).toBe('digest');
  writeFileSync(path, 'HELLO');
  utimesSync(path, 1e9, 1e9);
  expect(cache.lookup('f', lstatSync(path))).toBeUndefined();
  writeFileSync(`${path}2`, 'Hello');
  utimesSync(`${path}2`, 1e9, 1e9);
  renameSync(`${path}2`, path);
  expect(cache.lookup('f', lstatSync(path))).toBeUndefined();
});
