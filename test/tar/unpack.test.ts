import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { unpackTar } from '../../src/tar/unpack.ts';
import { endOfArchive, gnuTarGz, type RawEntry, rawTar, rawTarGz, unpack } from './raw-archive.ts';
import { directory, file, names, plant, snapshot, symlink, temporaryDirectory } from './tree.ts';

/** A long name whose 100th byte is a slash: cut there, it looks like a directory's. */
const slashAtCut = `${'d'.repeat(90)}/${'e'.repeat(8)}/${'f'.repeat(40)}`;

function everything(): string {
  const root = temporaryDirectory();
  plant(root, [
    ['a.txt', file('hello\n')],
    ['empty', file('')],
    ['big', file(Buffer.alloc(300_001, 'gomote'))],
    ['setuid', file('x', 0o4755)],
    ['secret', file('x', 0o400)],
    ['sticky', directory([], 0o1777)],
    ['read-only', directory([['inner', directory([['f', file('x', 0o444)]], 0o555)]], 0o555)],
    ['empty-dir', directory()],
    ['link', symlink('a.txt')],
    ['up', directory([['link', symlink('../read-only/inner/f')]])],
    ['dangling', symlink('no/where')],
    ['ünïcödé-日本語-😀', file('x')],
    ['new\nline\ttab \\ back', file('x')],
    ['n'.repeat(255), file('long')],
    ['long-target', symlink('t'.repeat(200))],
    ['ends-in-dir.d', directory([['é'.repeat(120), directory([['é'.repeat(120), file('x')]])]])],
  ]);
  const long = join(root, slashAtCut);
  mkdirSync(join(long, '..'), { recursive: true });
  writeFileSync(long, 'content');
  execFileSync('mkfifo', [join(root, 'fifo')]);
  execFileSync('ln', [join(root, 'a.txt'), join(root, 'b-hard')]);
  execFileSync('touch', ['-d', '@1234567890', join(root, 'a.txt')]);
  execFileSync('touch', ['-d', '@-86400', join(root, 'empty')]);
  execFileSync('touch', ['-d', '@987654321', join(root, 'empty-dir')]);
  return root;
}

test.each(['gnu', 'pax'])('extract unpacks what GNU tar packed as %s', async (format) => {
  const source = everything();
  const root = temporaryDirectory();
  const archive = gnuTarGz(source, `--format=${format}`);
  const totals = await unpack(archive, root, 'a/b');
  expect(snapshot(join(root, 'a/b'))).toEqual(snapshot(source));
  expect(statSync(join(root, 'a/b/b-hard')).ino).toBe(statSync(join(root, 'a/b/a.txt')).ino);
  expect(totals.files).toBe(11);
  expect(totals.bytes).toBeGreaterThan(300_000);
});

test.each(['ustar', 'v7'])('extract unpacks what GNU tar packed as %s', async (format) => {
  const source = temporaryDirectory();
  plant(source, [
    ['d', directory([['f', file('x', 0o600)]], 0o700)],
    ['link', symlink('d/f')],
  ]);
  const root = temporaryDirectory();
  await unpack(gnuTarGz(source, `--format=${format}`), root);
  expect(snapshot(root)).toEqual(snapshot(source));
});

test('extracting the same archive again changes nothing', async () => {
  const archive = gnuTarGz(everything());
  const root = temporaryDirectory();
  await unpack(archive, root);
  const before = snapshot(root);
  await unpack(archive, root);
  expect(snapshot(root)).toEqual(before);
});

test('names and contents are complete however the stream is split', async () => {
  const source = temporaryDirectory();
  plant(source, [['é'.repeat(120), directory([['日'.repeat(80), file('content')]])]]);
  // Stored, not compressed: every split of the gzip stream is a split of the tar stream.
  const archive = gzipSync(execFileSync('tar', ['-cC', source, '.']), { level: 0 });
  for (const size of [1, 7, 511, 513, 4096]) {
    const root = temporaryDirectory();
    await unpackTar(slices(archive, size), { root, dir: '.' });
    expect(snapshot(root)).toEqual(snapshot(source));
  }
});

async function* slices(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size)
    yield bytes.subarray(start, start + size);
}

test('a mode is set whatever the umask is', async () => {
  const root = temporaryDirectory();
  const before = process.umask(0o077);
  try {
    await unpack(
      rawTarGz(
        { name: 'f', mode: 0o6777 },
        { name: 'none', mode: 0 },
        { name: 'd/', type: '5', mode: 0o777 },
      ),
      root,
    );
  } finally {
    process.umask(before);
  }
  expect(statSync(join(root, 'f')).mode & 0o7777).toBe(0o6777);
  expect(statSync(join(root, 'none')).mode & 0o7777).toBe(0);
  expect(statSync(join(root, 'd')).mode & 0o7777).toBe(0o777);
});

const accepted: [what: string, archive: () => Buffer, names: string[]][] = [
  ['an archive that is only its end', () => gzipSync(endOfArchive), []],
  ['one block of zeros as the end', () => gzipSync(rawTar({ name: 'f' }).subarray(0, -512)), ['f']],
  ['names that begin with ./', () => rawTarGz({ name: './', type: '5' }, { name: './f' }), ['f']],
  ['a backslash in a name', () => rawTarGz({ name: 'a\\b' }), ['a\\b']],
  ['a replacement character in a name', () => rawTarGz({ name: '\uFFFD' }), ['\uFFFD']],
  ['a file whose parents have no entry', () => rawTarGz({ name: 'a/b/c' }), ['a', 'a/b', 'a/b/c']],
  ['a file named as in an old archive', () => rawTarGz({ name: 'f', type: '\0' }), ['f']],
  ['a directory named as in an old archive', () => rawTarGz({ name: 'd/', type: '\0' }), ['d']],
  ['a contiguous file', () => rawTarGz({ name: 'f', type: '7', content: 'x' }), ['f']],
  [
    'a header for the whole archive',
    () => rawTarGz(globalHeader('comment=abc'), { name: 'f' }),
    ['f'],
  ],
  [
    'a name in a PAX header that holds a newline',
    () => rawTarGz({ name: 'f', pax: { path: 'new\nline=1\n' } }),
    ['new\nline=1\n'],
  ],
  [
    'several gzip members, and zeros after the last',
    () => {
      const tar = rawTar({ name: 'f', content: 'x'.repeat(1000) });
      const members = [tar.subarray(0, 100), tar.subarray(100, 101), tar.subarray(101)];
      return Buffer.concat([...members.map((part) => gzipSync(part)), Buffer.alloc(300_000)]);
    },
    ['f'],
  ],
];

function globalHeader(record: string): RawEntry {
  return { name: 'pax_global_header', type: 'g', content: `${record.length + 4} ${record}\n` };
}

test.each(accepted)('extract accepts %s', async (_what, archive, expected) => {
  const root = temporaryDirectory();
  await unpack(archive(), root);
  expect(names(root)).toEqual(expected);
});

test('the last of equal names wins, whatever its type', async () => {
  const root = temporaryDirectory();
  await unpack(
    rawTarGz(
      { name: 'file', content: 'old' },
      { name: 'file', content: 'new' },
      { name: 'was-link', type: '2', link: 'file' },
      { name: 'was-link', content: 'file now' },
      { name: 'was-link-too', type: '2', link: 'file' },
      { name: 'was-link-too/', type: '5' },
      { name: 'was-link-too/inner' },
      { name: 'was-file', content: 'x' },
      { name: 'was-file', type: '2', link: 'file' },
      { name: 'target', content: 'first' },
      { name: 'hard', type: '1', link: 'target' },
      { name: 'target', content: 'second' },
    ),
    root,
  );
  const read = (name: string) => readFileSync(join(root, name), 'utf8');
  expect(['file', 'was-link', 'was-file', 'hard', 'target'].map(read)).toEqual([
    ...['new', 'file now', 'new', 'first', 'second'],
  ]);
  expect(names(join(root, 'was-link-too'))).toEqual(['inner']);
});

test('a hard link onto its own target, by whatever name, changes nothing', async () => {
  const root = temporaryDirectory();
  const archive = rawTarGz(
    { name: 'a', content: 'x' },
    { name: 'a', type: '1', link: './a' },
    { name: 'b', type: '1', link: 'a' },
    { name: 'b', type: '1', link: 'a' },
  );
  await unpack(archive, root);
  expect(names(root)).toEqual(['a', 'b']);
  expect(readFileSync(join(root, 'b'), 'utf8')).toBe('x');
});

test('files and links replace an entry of their name, never its target', async () => {
  const root = temporaryDirectory();
  const outside = temporaryDirectory();
  writeFileSync(join(outside, 'precious'), 'precious');
  for (const name of ['a', 'b', 'c']) symlinkSync(join(outside, 'precious'), join(root, name));
  symlinkSync(outside, join(root, 'd'));
  await unpack(
    rawTarGz(
      { name: 'a', content: 'mine', mode: 0o600 },
      { name: 'b', type: '2', link: 'a' },
      { name: 'c', type: '1', link: 'a' },
      { name: 'd/', type: '5' },
      { name: 'd/f', content: 'f' },
    ),
    root,
  );
  expect(names(outside)).toEqual(['precious']);
  expect(readFileSync(join(outside, 'precious'), 'utf8')).toBe('precious');
  expect(readFileSync(join(root, 'c'), 'utf8')).toBe('mine');
  expect(names(join(root, 'd'))).toEqual(['f']);
});

test('a link that stays inside is followed to a parent', async () => {
  const root = temporaryDirectory();
  mkdirSync(join(root, 'real'));
  symlinkSync('real', join(root, 'link'));
  await unpack(rawTarGz({ name: 'link/f' }, { name: 'link/sub/g' }), root);
  expect(names(join(root, 'real'))).toEqual(['f', 'sub', 'sub/g']);
});

test('a symbolic link may leave the directory as long as it stays in the root', async () => {
  const root = temporaryDirectory();
  await unpack(rawTarGz({ name: 'l', type: '2', link: '../../other/x' }), root, 'a/b');
  expect(snapshot(join(root, 'a/b'))[0]).toContain('-> ../../other/x');
});

test('a system error names the entry', async () => {
  const root = temporaryDirectory();
  const name = 'x'.repeat(300);
  await expect(unpack(rawTarGz({ name: 'f', pax: { path: name } }), root)).rejects.toMatchObject({
    code: 'ERR_LOCAL_FILE',
    message: `tar file entry ${name}: file name too long`,
    cause: { code: 'ENAMETOOLONG' },
  });
});

test('a file in the place of the target directory is named', async () => {
  const root = temporaryDirectory();
  writeFileSync(join(root, 'f'), '');
  await expect(unpack(rawTarGz(), root, 'f')).rejects.toMatchObject({
    code: 'ERR_LOCAL_FILE',
    message: `mkdir ${join(root, 'f')}: not a directory`,
  });
  await expect(unpack(rawTarGz(), root, 'f/g')).rejects.toMatchObject({ code: 'ERR_LOCAL_FILE' });
});

test('a directory outside of the root is refused', async () => {
  const root = temporaryDirectory();
  symlinkSync('/tmp', join(root, 'out'));
  for (const dir of ['../x', '/x', 'out/x', 'out']) {
    await expect(unpack(rawTarGz(), root, dir)).rejects.toMatchObject({ code: 'ERR_PATH' });
  }
});
