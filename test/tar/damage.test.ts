import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { isGomoteError } from '../../src/errors.ts';
import { times } from '../helpers/counts.ts';
import { block, rawTar, unpack } from './raw-archive.ts';
import { leftovers, makeDirectory, removeDirectory, snapshot, temporaryDirectory } from './tree.ts';

// Thousands of archives: a while on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const entries = [
  { name: 'd/', type: '5' },
  { name: 'd/f', content: 'hello hello hello' },
  { name: 'x'.repeat(150), content: 'long', pax: { path: 'x'.repeat(150) } },
  { name: 'link', type: '2', link: 'd/f' },
  { name: 'big', content: Buffer.alloc(2000, 'ab') },
];

const tar = rawTar(...entries);
const whole = gzipSync(tar);
/** Split where it hurts: between two entries, inside one, and before the end. */
const members = Buffer.concat(
  [0, 512, 1536, 2000, tar.length - 1024]
    .map((start, index, starts) => tar.subarray(start, starts[index + 1]))
    .map((part) => gzipSync(part)),
);
const firstMember = gzipSync(tar.subarray(0, 512)).length;
const stored = gzipSync(tar, { level: 0 });

async function inDirectory(use: (root: string) => Promise<void>): Promise<void> {
  const root = makeDirectory();
  try {
    await use(root);
  } finally {
    removeDirectory(root);
  }
}

test.each([
  ['one member', whole],
  ['several members', members],
])(
  'a cut of an archive of %s is an error at every place and leaves no temporary file',
  async (_what, archive) => {
    await inDirectory((root) => unpack(archive, root).then(() => {}));
    for (let length = 0; length < archive.length; length += times(3, 1)) {
      // Its first member alone is whole gzip.
      if (archive === members && length === firstMember) continue;
      await inDirectory(async (root) => {
        const error = await unpack(archive.subarray(0, length), root).catch((caught) => caught);
        expect(error, `cut at ${length}`).toMatchObject({ code: 'ERR_ARCHIVE' });
        expect(error.message).toMatch(/unexpected EOF( in |$)/);
        expect(leftovers(root)).toEqual([]);
      });
    }
  },
);

/** Where one entry ends and the next begins: whole gzip without an end of the archive is taken for one there. */
const between = entries.map((_, index) =>
  entries.slice(0, index + 1).reduce((sum, entry) => sum + block(entry).length, 0),
);

test('a cut tar stream in complete gzip is an error at every block of an entry', async () => {
  for (let length = 0; length <= tar.length - 1024; length += 128) {
    if (between.includes(length)) continue;
    await inDirectory(async (root) => {
      const archive = gzipSync(tar.subarray(0, length));
      await expect(unpack(archive, root), `cut at ${length}`).rejects.toThrow('unexpected EOF');
      expect(leftovers(root)).toEqual([]);
    });
  }
});

test.each([
  ['nothing', 0],
  ['nine bytes', 9],
])('a header that is %s is refused', async (_what, length) => {
  await expect(unpack(whole.subarray(0, length), temporaryDirectory())).rejects.toMatchObject({
    message: 'requires gzip-compressed body: unexpected EOF',
  });
});

test('ten bytes that are not gzip are reported as such', async () => {
  await expect(unpack(Buffer.from('not gzip at all'), temporaryDirectory())).rejects.toMatchObject({
    code: 'ERR_ARCHIVE',
    message: 'requires gzip-compressed body: gzip: invalid header',
  });
});

test('a cut names the entry it is in', async () => {
  const within = tar.indexOf('hello') + 3;
  const cutAt = (length: number) => unpack(gzipSync(tar.subarray(0, length)), temporaryDirectory());
  await expect(cutAt(within)).rejects.toThrow(/^tar error: unexpected EOF in d\/f$/);
});

test('a wrong checksum of gzip is reported with the last entry', async () => {
  const archive = gzipSync(rawTar({ name: 'f', content: Buffer.alloc(1 << 20) }), { level: 0 });
  archive[archive.length - 8]! ^= 1;
  await expect(unpack(archive, temporaryDirectory())).rejects.toMatchObject({
    code: 'ERR_ARCHIVE',
    message: 'tar error: incorrect data check in f',
    cause: { code: 'Z_DATA_ERROR' },
  });
});

test('data after the last gzip member that is not gzip is an error', async () => {
  const archive = Buffer.concat([whole, Buffer.from('garbage')]);
  await expect(unpack(archive, temporaryDirectory())).rejects.toThrow('incorrect header check');
});

test.each([
  ['one member', whole],
  ['several members', members],
  ['stored data', stored],
])('changed bytes in an archive of %s never pass for other contents', async (_what, archive) => {
  let good: string[] = [];
  await inDirectory(async (root) => {
    await unpack(archive, root);
    good = snapshot(root);
  });
  const change = fc.tuple(fc.nat(archive.length - 1), fc.integer({ min: 1, max: 255 }));
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 3 }), async (changes) => {
      const changed = Buffer.from(archive);
      for (const [position, bits] of changes) changed[position]! ^= bits;
      await inDirectory(async (root) => {
        try {
          await unpack(changed, root);
          expect(snapshot(root)).toEqual(good);
        } catch (error) {
          if (!isGomoteError(error, 'ERR_ARCHIVE')) throw error;
          expect(leftovers(root)).toEqual([]);
        }
      });
    }),
    { numRuns: times(40, 300) },
  );
});

test('an error leaves existing files unchanged, and nothing beside them', async () => {
  const root = temporaryDirectory();
  await unpack(whole, root);
  const before = snapshot(root);
  const changed = entries.map((entry) => ('content' in entry ? { ...entry, content: '!' } : entry));
  const archive = gzipSync(rawTar(...changed, { name: 'new', content: 'x' }).subarray(0, -1536));
  await expect(unpack(archive, root)).rejects.toThrow('unexpected EOF');
  expect(snapshot(root)).toEqual(before);
});
