import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { expect, onTestFinished, test } from 'vitest';
import { type PackOptions, packTar } from '../../src/tar/pack.ts';
import { collect, unpack } from './raw-archive.ts';
import { directory, file, plant, snapshot, symlink, temporaryDirectory } from './tree.ts';

const modes: [what: string, options: PackOptions][] = [
  ['several gzip members', {}],
  ['one gzip member', { release: true }],
];

/** Every kind of entry, and every length of name at which the format changes. */
function everything(): string {
  const root = temporaryDirectory();
  plant(root, [
    ['a.txt', file('hello\n')],
    ['a', directory([['x', file('sorts before a.txt as bytes do: "." < "/"')]])],
    ['empty', file('')],
    ['block', file(Buffer.alloc(512, 'b'))],
    ['big', file(randomBytes(3_000_001))],
    ['special', file('x', 0o6755)],
    ['sticky', directory([], 0o1777)],
    ['read-only', directory([['f', file('x', 0o444)]], 0o555)],
    ['empty-dir', directory()],
    ['link', symlink('a.txt')],
    ['dangling', symlink('no/where at all')],
    ['ünïcödé-日本語-😀\uFFFD', file('x')],
    ['\uE000', file('after the emoji in UTF-16, before it in bytes')],
    ['😀', symlink('😀-target')],
    ['new\nline\ttab \\ back', file('x')],
    ['=', file('x')],
    ['target-100', symlink('t'.repeat(100))],
    ['target-101', symlink('t'.repeat(101))],
    ['target-long', symlink('é'.repeat(1000))],
  ]);
  for (const length of [98, 99, 100, 101, 155, 156, 199, 254, 255]) {
    plant(root, [['n'.repeat(length), directory([['m'.repeat(length), file(`${length}`)]])]]);
  }
  let deep = root;
  for (let depth = 0; depth < 12; depth++) deep = join(deep, 'deep'.repeat(25));
  mkdirSync(deep, { recursive: true });
  writeFileSync(join(deep, 'f'), 'deep');
  execFileSync('mkfifo', ['-m', '622', join(root, 'fifo')]);
  execFileSync('touch', ['-d', '@1234567890.75', join(root, 'a.txt')]);
  execFileSync('touch', ['-d', '@-86400', join(root, 'empty')]);
  execFileSync('touch', ['-d', '@10000000000', join(root, 'block')]);
  execFileSync('touch', ['-d', '@987654321', join(root, 'empty-dir')]);
  execFileSync('touch', ['-d', '@0', join(root, 'read-only')]);
  return root;
}

function gnuExtract(archive: Buffer): string {
  const root = temporaryDirectory();
  execFileSync('tar', ['-xzpC', root, '--warning=no-timestamp'], { input: archive });
  return root;
}

test.each(modes)('an archive is extracted by GNU tar into %s', async (_what, options) => {
  const root = everything();
  const extracted = gnuExtract(await collect(packTar(root, '.', options)));
  expect(snapshot(extracted)).toEqual(snapshot(root));
});

test.each(modes)('an archive is extracted by unpack into %s', async (_what, options) => {
  const root = everything();
  const target = temporaryDirectory();
  await unpack(await collect(packTar(root, '.', options)), target);
  expect(snapshot(target)).toEqual(snapshot(root));
});

test('links are packed unchanged, wherever they lead', async () => {
  const root = temporaryDirectory();
  plant(root, [
    ['absolute', symlink('/etc/passwd')],
    ['climbing', symlink('../../x')],
  ]);
  const extracted = gnuExtract(await collect(packTar(root, '.')));
  expect(snapshot(extracted)).toEqual(snapshot(root));
});

test('names are relative to the directory, depth-first, in the order of bytes', async () => {
  const root = temporaryDirectory();
  plant(root, [
    [
      'd',
      directory([
        ['a', directory([['z', file()]])],
        ['a.txt', file()],
        ['a-b', file()],
        ['B', file()],
        ['\uE000', file()],
        ['😀', file()],
        ['é', directory()],
      ]),
    ],
  ]);
  const archive = await collect(packTar(root, 'd'));
  const listed = execFileSync('tar', ['-tz', '--quoting-style=literal'], { input: archive });
  expect(listed.toString()).toBe('B\na/\na/z\na-b\na.txt\né/\n\uE000\n😀\n');
});

test('owners are left out', async () => {
  const root = temporaryDirectory();
  writeFileSync(join(root, 'f'), '');
  const block = gunzipSync(await collect(packTar(root, '.')));
  expect(block.toString('latin1', 108, 124)).toBe('000000 \x00000000 \x00');
  expect(block.subarray(265, 329).every((byte) => byte === 0)).toBe(true);
});

test('a large tree has several gzip members, unless one is asked for', async () => {
  const root = temporaryDirectory();
  writeFileSync(join(root, 'big'), randomBytes(3 << 20));
  const count = (archive: Buffer) =>
    Number(execFileSync('python3', ['-c', countMembers], { input: archive }));
  expect(count(await collect(packTar(root, '.', { release: true })))).toBe(1);
  expect(count(await collect(packTar(root, '.')))).toBeGreaterThan(1);
});

const countMembers = `
import sys, zlib
data, members = sys.stdin.buffer.read(), 0
while data:
    stream = zlib.decompressobj(31)
    stream.decompress(data)
    data, members = stream.unused_data, members + 1
print(members)`;

test('an empty directory is an empty archive', async () => {
  const archive = await collect(packTar(temporaryDirectory(), ''));
  expect(gunzipSync(archive)).toEqual(Buffer.alloc(1024));
});

test('a regular file gives one entry with its base name', async () => {
  const root = temporaryDirectory();
  plant(root, [['d', directory([['f', file('content')]])]]);
  const extracted = gnuExtract(await collect(packTar(root, 'd/f')));
  expect(snapshot(extracted)).toEqual(snapshot(join(root, 'd')));
});

test('a directory is reached through a link that stays inside, but not through one that leads out', async () => {
  const root = temporaryDirectory();
  plant(root, [
    ['d', directory([['f', file('content')]])],
    ['inside', symlink('d')],
    ['outside', symlink('/usr')],
  ]);
  const extracted = gnuExtract(await collect(packTar(root, 'inside')));
  expect(snapshot(extracted)).toEqual(snapshot(join(root, 'd')));
  for (const dir of ['outside', 'outside/lib', '../x', '/usr']) {
    await expect(packTar(root, dir).next()).rejects.toMatchObject({ code: 'ERR_PATH' });
  }
});

test.each(modes)(
  'a missing file is reported before the first byte (%s)',
  async (_what, options) => {
    const root = temporaryDirectory();
    await expect(packTar(root, 'absent', options).next()).rejects.toMatchObject({
      code: 'ERR_LOCAL_FILE',
      message: `lstat ${join(root, 'absent')}: no such file or directory`,
    });
  },
);

test('sockets are left out', async () => {
  const root = temporaryDirectory();
  writeFileSync(join(root, 'z'), '');
  const server = await new Promise<Server>((resolve) => {
    const listening = createServer().listen(join(root, 'socket'), () => resolve(listening));
  });
  onTestFinished(() => void server.close());
  const archive = await collect(packTar(root, '.'));
  expect(execFileSync('tar', ['-tz'], { input: archive, encoding: 'utf8' })).toBe('z\n');
});

test('a device is refused by name', async () => {
  await expect(collect(packTar('/dev', 'null'))).rejects.toMatchObject({
    code: 'ERR_ARCHIVE',
    message: '/dev/null: a device cannot be sent',
  });
});

test('a tree deeper than a path may be long is packed', async () => {
  const root = temporaryDirectory();
  const script = 'for i in $(seq 20); do mkdir "$1" && cd "$1"; done; echo deep > f';
  execFileSync('bash', ['-c', script, 'bash', 'd'.repeat(250)], { cwd: root });
  const archive = await collect(packTar(root, '.'));
  const list = execFileSync('tar', ['-tz'], { input: archive, encoding: 'utf8' });
  expect(list.trim().split('\n').at(-1)).toBe(`${`${'d'.repeat(250)}/`.repeat(20)}f`);
});

/** Devices are the one thing that nobody may send, root either. */
test.skipIf(process.getuid?.() !== 0)(
  'an entry that cannot be packed is named, and the rest is packed',
  async () => {
    const root = temporaryDirectory();
    plant(root, [
      ['a', file('a')],
      ['d', directory([['f', file('f')]])],
      ['z', symlink('a')],
    ]);
    execFileSync('mknod', [join(root, 'd/null'), 'c', '1', '3']);
    const skipped: string[] = [];
    const onSkipped = (name: string, reason: string) => skipped.push(`${name}: ${reason}`);
    const extracted = gnuExtract(await collect(packTar(root, '.', { onSkipped })));
    expect(skipped).toEqual(['d/null: a device cannot be sent']);
    const { atime, mtime } = statSync(join(root, 'd'));
    rmSync(join(root, 'd/null'));
    utimesSync(join(root, 'd'), atime, mtime);
    expect(snapshot(extracted)).toEqual(snapshot(root));
  },
);
