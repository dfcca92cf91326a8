// Archives that GNU tar and bsdtar write, extracted as GNU tar does.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type UnpackTotals, unpackTar } from '../../src/tar/unpack.ts';
import { block, chunked, endOfArchive, rawTar, sealed, unpack } from './raw-archive.ts';
import { snapshot, temporaryDirectory } from './tree.ts';

const tar = (cwd: string, ...args: string[]): Buffer =>
  execFileSync('tar', args, { cwd, maxBuffer: 1 << 28 });

/** What GNU tar makes of an archive, and what is made of it here in chunks of several sizes. */
async function compare(archive: Buffer, options: { stripsRoot?: boolean } = {}): Promise<void> {
  const expected = temporaryDirectory();
  execFileSync('tar', ['-xzpC', expected], { input: archive, stdio: ['pipe', 'pipe', 'ignore'] });
  for (const size of [1 << 20, 777]) {
    const root = temporaryDirectory();
    mkdirSync(join(root, 'd'));
    await unpackTar(chunked(archive, size), { root, dir: 'd', ...options });
    expect(snapshot(join(root, 'd'))).toEqual(snapshot(expected));
  }
}

function holes(): string {
  const root = temporaryDirectory();
  const sizes: [string, number, number[]][] = [
    ['none', 5000, []],
    ['one', 3 << 20, [2_000_000]],
    ['ends', 3 << 20, [0, (3 << 20) - 5]],
    // More parts than the header, and one block more, can hold.
    ['many', 40 << 20, Array.from({ length: 60 }, (_, i) => i * 650_000)],
  ];
  for (const [name, size, parts] of sizes) {
    writeFileSync(join(root, name), '');
    truncateSync(join(root, name), size);
    const fd = openSync(join(root, name), 'r+');
    for (const at of parts) writeSync(fd, `at ${at}`, at);
    closeSync(fd);
  }
  writeFileSync(join(root, 'after'), 'what follows is still found');
  return root;
}

describe('a file with holes', () => {
  test.each([
    ['old GNU', ['--format=gnu']],
    ['pax 0.0', ['--format=pax', '--sparse-version=0.0']],
    ['pax 0.1', ['--format=pax', '--sparse-version=0.1']],
    ['pax 1.0', ['--format=pax', '--sparse-version=1.0']],
  ])(
    'in the format %s is restored',
    async (_what, options) => {
      await compare(tar(holes(), '-cz', '--sparse', ...options, '.'));
      // Large files are written and compared, which takes long on a busy disk.
    },
    60_000,
  );

  test.each(['bsdtar-holes', 'bsdtar-gnu', 'bsdtar-links'])('of %s is restored', async (name) => {
    await compare(readFileSync(join(import.meta.dirname, `../fixtures/tar/${name}.tgz`)));
  });

  test('takes no more space than its data, whether or not the archive records its holes', async () => {
    const source = temporaryDirectory();
    writeFileSync(join(source, 'f'), 'start');
    truncateSync(join(source, 'f'), 64 << 20);
    for (const options of [['--sparse'], []]) {
      const root = temporaryDirectory();
      await unpack(tar(source, '-cz', ...options, 'f'), root);
      const { size, blocks } = statSync(join(root, 'f'));
      expect(size).toBe(64 << 20);
      expect(blocks * 512).toBeLessThan(1 << 20);
    }
  });

  const record = (text: string): string => {
    const length = text.length + 3;
    return `${length + (String(length).length - 1)} ${text}\n`.replace(/^\d+/, (digits) =>
      String(digits.length + text.length + 2),
    );
  };
  const paxed = (...records: string[]) =>
    block({ name: 'PaxHeader/s', type: 'x', content: records.map(record).join('') });

  test.each<[what: string, records: string[], content: string]>([
    ['a version that is not known', ['GNU.sparse.major=2', 'GNU.sparse.minor=0'], 'map'],
    ['no size', ['GNU.sparse.major=1', 'GNU.sparse.minor=0'], '0\n'],
    ['parts that overlap', ['GNU.sparse.size=9', 'GNU.sparse.map=0,4,2,4'], '12345678'],
    ['a part beyond its end', ['GNU.sparse.size=9', 'GNU.sparse.map=8,4'], '1234'],
    ['half a part', ['GNU.sparse.size=9', 'GNU.sparse.map=8'], '1'],
    ['less content than its map', ['GNU.sparse.size=9', 'GNU.sparse.map=0,4'], '12'],
    ['more content than its map', ['GNU.sparse.size=9', 'GNU.sparse.map=0,4'], '12345'],
    ['a map that is text', v1('9'), 'no map here\n'],
    ['a map that ends early', v1('9'), '3\n1\n'],
  ])('is refused with %s', async (_what, records, content) => {
    const root = temporaryDirectory();
    const archive = Buffer.concat([paxed(...records), block({ name: 's', content }), endOfArchive]);
    await expect(unpack(gzipSync(archive), root)).rejects.toThrow(
      'tar file entry s: the map of its holes makes no sense',
    );
    expect(readdirSync(root)).toEqual([]);
  });

  test('of a terabyte without data is a file of that size', async () => {
    const root = temporaryDirectory();
    const size = 2 ** 40;
    const archive = Buffer.concat([
      paxed(...v1(`${size}`)),
      block({ name: 'x/s', content: Buffer.concat([Buffer.from('0\n'), Buffer.alloc(510)]) }),
      endOfArchive,
    ]);
    await unpack(gzipSync(archive), root);
    expect(statSync(join(root, 'real')).size).toBe(size);
  });
});

function v1(size: string): string[] {
  const name = 'GNU.sparse.name=real';
  const version = ['GNU.sparse.major=1', 'GNU.sparse.minor=0'];
  return [...version, ...(size === '9' ? [] : [name]), `GNU.sparse.realsize=${size}`];
}

describe('a link in an archive', () => {
  test('may be a hard link to a symbolic link, and files and links may go through a linked directory', async () => {
    const root = temporaryDirectory();
    mkdirSync(join(root, 'real'));
    writeFileSync(join(root, 'real/t'), '1');
    symlinkSync('real', join(root, 'a-link'));
    symlinkSync('t', join(root, 'real/s'));
    linkSync(join(root, 'real/s'), join(root, 'real/z'));
    await compare(tar(root, '-cz', 'real', 'a-link'));
    const through = rawTar(
      { name: 'real/', type: '5' },
      { name: 'link', type: '2', link: 'real' },
      { name: 'link/f', content: 'through' },
      { name: 'h', type: '1', link: 'link/f' },
      { name: 'hs', type: '1', link: 'link' },
      // Again, for its time.
      { name: 'real/', type: '5' },
    );
    await compare(gzipSync(through));
  });

  test('by an absolute name leads to that name here', async () => {
    await compare(
      gzipSync(
        rawTar(
          { name: 'bin/app', content: '1' },
          { name: 'b', type: '1', link: '/bin/app' },
          // For its time.
          { name: 'bin/', type: '5' },
        ),
      ),
    );
  });

  test('is refused if it leads out', async () => {
    const root = temporaryDirectory();
    symlinkSync('../../../etc', join(root, 'out'));
    const entry = { name: 'h', type: '1', link: 'out/passwd' };
    await expect(unpack(gzipSync(rawTar(entry)), root)).rejects.toMatchObject({
      code: 'ERR_ARCHIVE',
    });
  });
});

describe('an entry that is not a file', () => {
  test.each([
    ['a label of the volume', ['-V', 'label']],
    ['a label in PAX format', ['-V', 'label', '--format=pax']],
    ['an incremental archive', ['-g', 'snar']],
    ['an incremental archive in PAX format', ['-g', 'snar', '--format=pax']],
  ])('is left out: %s', async (_what, options) => {
    const root = temporaryDirectory();
    mkdirSync(join(root, 'n'));
    writeFileSync(join(root, 'n/1'), '1');
    await compare(tar(root, '-cz', ...options, 'n'));
  });

  test('that is ./ sets mode and time of the directory, but not of the work directory', async () => {
    const source = temporaryDirectory();
    chmodSync(source, 0o751);
    writeFileSync(join(source, 'f'), '');
    execFileSync('touch', ['-d', '@1234567890', source]);
    const archive = tar(source, '-cz', '.');
    await compare(archive);
    const root = temporaryDirectory();
    await unpack(archive, root, 'made/here');
    const { mode, mtimeMs } = statSync(join(root, 'made/here'));
    expect([mode & 0o777, mtimeMs]).toEqual([0o751, 1234567890000]);
    const before = statSync(root).mode;
    await unpack(archive, root);
    expect(statSync(root).mode).toBe(before);
  });
});

test('absolute names lose their slash with stripsRoot', async () => {
  const archive = gzipSync(rawTar({ name: '//f', content: '1' }, { name: '/g', content: '2' }));
  await compare(archive, { stripsRoot: true });
  await expect(unpack(archive, temporaryDirectory())).rejects.toThrow('invalid name "//f"');
});

describe('the end of an archive', () => {
  const entry = { name: 'f', content: 'content' };
  test('may be missing in complete gzip, and be one block of zeros, whatever follows', async () => {
    const bare = block(entry);
    await compare(gzipSync(bare));
    const odd = Buffer.concat([bare, Buffer.alloc(812), Buffer.alloc(212, 'x')]);
    await compare(gzipSync(odd));
  });

  test('may be missing only if gzip has one member', async () => {
    const archive = Buffer.concat([
      gzipSync(block(entry)),
      gzipSync(block({ ...entry, name: 'g' })),
    ]);
    await expect(unpack(archive, temporaryDirectory())).rejects.toThrow('unexpected EOF');
  });

  test.each([
    [
      'two streams',
      Buffer.concat([gzipSync(rawTar(entry)), gzipSync(rawTar({ name: 'second' }))]),
      1,
    ],
    ['one stream', gzipSync(Buffer.concat([rawTar(entry), rawTar({ name: 'second' })])), 1],
    ['zeros alone', gzipSync(Buffer.concat([rawTar(entry), Buffer.alloc(10240)])), 0],
  ])(
    'is the end of the first of two archives (%s), which is reported',
    async (_what, archive, warnings) => {
      const root = temporaryDirectory();
      const totals: UnpackTotals = await unpack(archive, root);
      expect(readdirSync(root)).toEqual(['f']);
      expect(totals.warnings).toHaveLength(warnings);
    },
  );
});

describe('a PAX header', () => {
  const withPax = (content: string, ...more: Buffer[]) =>
    gzipSync(
      Buffer.concat([
        block({ name: 'PaxHeader/f', type: 'x', content }),
        block({ name: 'f', mtime: new Date(1234567890000) }),
        ...more,
        endOfArchive,
      ]),
    );

  test('with a malformed time is an error, and with an empty one is ignored', async () => {
    for (const text of ['12 mtime=1a\n', '13 mtime=1e5\n', '13 mtime=- 1\n']) {
      await expect(unpack(withPax(text), temporaryDirectory())).rejects.toThrow(
        'tar file entry f: its PAX header has a malformed mtime',
      );
    }
    const root = temporaryDirectory();
    await unpack(withPax('9 mtime=\n'), root);
    expect(statSync(join(root, 'f')).mtimeMs).toBe(1234567890000);
  });

  const large = (type: string, key: string): Buffer => {
    const value = 'v'.repeat(1_000_000);
    return block({
      name: 'p',
      type,
      content: `${key.length + value.length + 10} ${key}=${value}\n`,
    });
  };

  test.each([
    ['next entry', 'x', 2],
    ['archive', 'g', 2],
  ])('of the %s may have a MiB, all together', async (_what, type, count) => {
    const headers = Array.from({ length: count }, (_, index) => large(type, `a${index}`));
    const archive = gzipSync(Buffer.concat([...headers, block({ name: 'f' }), endOfArchive]));
    await expect(unpack(archive, temporaryDirectory())).rejects.toThrow('header field too long');
  });

  test('takes no memory once its entry is read', async () => {
    const header = large('x', 'comment');
    const entry = block({ name: 'f' });
    async function* source() {
      for (let i = 0; i < 300; i++) yield gzipSync(Buffer.concat([header, entry]), { level: 1 });
      yield gzipSync(endOfArchive);
    }
    const before = process.memoryUsage().rss;
    await unpackTar(source(), { root: temporaryDirectory(), dir: '.' });
    expect(process.memoryUsage().rss - before).toBeLessThan(200 << 20);
  });
});

test('the header of an archive that is damaged is not taken for another file', async () => {
  const header = block({ name: 's', type: 'S' });
  header.write('zzz', 386, 'latin1');
  const archive = gzipSync(Buffer.concat([sealed(header), endOfArchive]));
  await expect(unpack(archive, temporaryDirectory())).rejects.toThrow('makes no sense');
  expect(gunzipSync(archive)).toHaveLength(header.length + endOfArchive.length);
});
