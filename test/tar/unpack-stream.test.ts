// Unpacking while the source is slow, silent or broken, or the caller gives up.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { unpackTar } from '../../src/tar/unpack.ts';
import { rawTar, rawTarGz } from './raw-archive.ts';
import { countedSignal, leftovers, names, temporaryDirectory } from './tree.ts';

test('an abort ends unpacking even while the source is silent, and leaves no partial file', async () => {
  const root = temporaryDirectory();
  const archive = gzipSync(rawTar({ name: 'f', content: 'x'.repeat(5000) }), { level: 0 });
  const controller = new AbortController();
  async function* silent(): AsyncGenerator<Uint8Array> {
    yield archive.subarray(0, 2000);
    setImmediate(() => controller.abort(new Error('enough')));
    await new Promise(() => {});
  }
  const { signal } = controller;
  await expect(unpackTar(silent(), { root, dir: '.', signal })).rejects.toMatchObject({
    code: 'ERR_ABORTED',
    cause: new Error('enough'),
  });
  expect(names(root)).toEqual([]);
});

test('unpacking does not begin with a signal that has already aborted', async () => {
  const root = temporaryDirectory();
  const signal = AbortSignal.abort();
  const source = Readable.from([rawTarGz({ name: 'f' })]);
  await expect(unpackTar(source, { root, dir: 'd', signal })).rejects.toMatchObject({
    code: 'ERR_ABORTED',
  });
  expect(names(root)).toEqual([]);
});

test('a failed source is a lost stream, with its reason; an error of ours is passed on', async () => {
  const root = temporaryDirectory();
  const archive = gzipSync(rawTar({ name: 'f', content: 'x'.repeat(5000) }), { level: 0 });
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield archive.subarray(0, 2000);
    throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  }
  await expect(unpackTar(failing(), { root, dir: '.' })).rejects.toMatchObject({
    code: 'ERR_LOST',
    message: 'tar error: read ECONNRESET',
  });
  expect(names(root)).toEqual([]);
});

test('a bad archive is refused before its source ends, and its stream is not destroyed', async () => {
  const root = temporaryDirectory();
  const source = new Readable({ read() {} });
  source.push(rawTarGz({ name: '../x' }));
  await expect(unpackTar(source, { root, dir: '.' })).rejects.toMatchObject({
    code: 'ERR_ARCHIVE',
  });
  expect(source.destroyed).toBe(false);
});

test('a source that is not a stream is ended', async () => {
  const root = temporaryDirectory();
  let ended = false;
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      yield rawTarGz({ name: '../x' });
      yield Buffer.alloc(1 << 20, 1);
    } finally {
      ended = true;
    }
  }
  await expect(unpackTar(source(), { root, dir: '.' })).rejects.toMatchObject({
    code: 'ERR_ARCHIVE',
  });
  expect(ended).toBe(true);
});

test('a slow disk slows a fast source, and other work is not blocked', async () => {
  const root = temporaryDirectory();
  const archive = gzipSync(rawTar({ name: 'f', content: Buffer.alloc(20 << 20, 'x') }), {
    level: 0,
  });
  let given = 0;
  let turns = 0;
  let furthest = 0;
  async function* source(): AsyncGenerator<Uint8Array> {
    for (; given < archive.length; given += 1 << 20) {
      const written = statSync(join(root, temporary()), { throwIfNoEntry: false })?.size ?? 0;
      furthest = Math.max(furthest, given - written);
      yield archive.subarray(given, given + (1 << 20));
    }
  }
  const temporary = () => leftovers(root).find((name) => name.endsWith('/f')) ?? 'none';
  const ticking = setInterval(() => turns++, 0);
  await unpackTar(source(), { root, dir: '.' });
  clearInterval(ticking);
  expect(furthest).toBeLessThan(3 << 20);
  expect(turns).toBeGreaterThan(5);
});

test('no listener stays on the signal', async () => {
  const root = temporaryDirectory();
  const { signal, listeners } = countedSignal();
  await unpackTar(Readable.from([rawTarGz()]), { root, dir: '.', signal });
  const bad = Readable.from([rawTarGz({ name: '/x' })]);
  await expect(unpackTar(bad, { root, dir: '.', signal })).rejects.toMatchObject({
    code: 'ERR_ARCHIVE',
  });
  expect(listeners()).toBe(0);
});

test('concurrent unpacking, even into one directory, does not interfere', async () => {
  const root = temporaryDirectory();
  const numbers = Array.from({ length: 6 }, (_, i) => i);
  const archive = (i: number) => rawTarGz({ name: `d/f${i}`, content: String(i) });
  const options = { root, dir: '.' };
  await Promise.all(numbers.map((i) => unpackTar(Readable.from([archive(i)]), options)));
  expect(names(root)).toEqual(['d', ...numbers.map((i) => `d/f${i}`)]);
});
