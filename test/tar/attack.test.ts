import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { isGomoteError } from '../../src/errors.ts';
import { times } from '../helpers/counts.ts';
import { readOddTree } from '../helpers/odd-names.ts';
import {
  block,
  endOfArchive,
  type RawEntry,
  rawTar,
  rawTarGz,
  sealed,
  unpack,
} from './raw-archive.ts';
import {
  leftovers,
  makeDirectory,
  names,
  removeDirectory,
  snapshot,
  temporaryDirectory,
} from './tree.ts';

// Thousands of archives: a while on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

/** A root, the directory in it to extract to, and something outside that must stay as it is. */
function scene(top = temporaryDirectory()): { root: string; work: string; outside: string } {
  const root = join(top, 'root');
  const work = join(root, 'work');
  const outside = join(top, 'outside');
  mkdirSync(work, { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), 'secret');
  symlinkSync(outside, join(work, 'there-before'));
  symlinkSync('../..', join(work, 'there-before-relative'));
  symlinkSync('../sibling', join(work, 'out-of-dir'));
  mkdirSync(join(root, 'sibling'));
  return { root, work, outside };
}

const link = (name: string, target: string): RawEntry => ({ name, type: '2', link: target });
const hardLink = (name: string, target: string): RawEntry => ({ name, type: '1', link: target });

const outsideLinkError = (name: string, target: string): string =>
  `tar file entry ${name}: the symbolic link to "${target}" leads out of the work directory`;
const invalidName = (name: string): string =>
  `tar file contained invalid name ${JSON.stringify(name)}`;
const notRegular = (name: string, target: string): string =>
  `tar file entry ${name}: the hard link's target "${target}" is not a regular file of the directory`;
const unsupported = (name: string, type: string): string =>
  `tar file entry ${name} contained unsupported file type ${type}`;

const attacks: [what: string, entries: RawEntry[], message: string | RegExp][] = [
  ['a name with ..', [{ name: '../x' }], invalidName('../x')],
  ['a name with .. inside', [{ name: 'a/../b' }], invalidName('a/../b')],
  ['a name that ends in ..', [{ name: 'a/..', type: '5' }], invalidName('a/..')],
  ['an absolute name', [{ name: '/x' }], invalidName('/x')],
  ['an absolute PAX name', [{ name: 'x', pax: { path: '/etc/x' } }], invalidName('/etc/x')],
  ['an empty name', [{ name: '' }], invalidName('')],
  [
    'a file that is the directory itself',
    [{ name: './', type: '2', link: 'x' }],
    invalidName('./'),
  ],
  ['a PAX name with a NUL', [{ name: 'x', pax: { path: 'a\0b' } }], invalidName('a\0b')],
  ['an absolute link', [link('l', '/etc')], outsideLinkError('l', '/etc')],
  ['an absolute link to the inside', [link('l', '/tmp')], outsideLinkError('l', '/tmp')],
  ['a link that climbs out', [link('d/l', '../../../x')], outsideLinkError('d/l', '../../../x')],
  [
    'a link that climbs out and back',
    [link('l', '../../root/x')],
    outsideLinkError('l', '../../root/x'),
  ],
  [
    'a file through a link of the archive',
    [link('l', '../sibling'), { name: 'l/x' }],
    'tar file entry l/x: the symbolic link l on its way leads out of the directory',
  ],
  [
    'a link through a link of the archive',
    [{ name: 'd/', type: '5' }, link('d/up', '..'), link('l', 'd/up/../../outside')],
    outsideLinkError('l', 'd/up/../../outside'),
  ],
  [
    'two links that leave only together',
    [link('a', 'b/../../sibling'), link('b', '.')],
    outsideLinkError('a', 'b/../../sibling'),
  ],
  [
    'two links that leave only together, in the other order',
    [link('b', '.'), link('a', 'b/../../../outside')],
    outsideLinkError('a', 'b/../../../outside'),
  ],
  [
    'a link through one that was there before',
    [link('l', 'there-before/secret')],
    outsideLinkError('l', 'there-before/secret'),
  ],
  [
    'a file through a link that was there before',
    [{ name: 'there-before/x' }],
    /^tar file entry there-before: the symbolic link \S+ leads out of the directory$/,
  ],
  [
    'a directory through a link that was there before',
    [{ name: 'there-before-relative/x/', type: '5' }],
    /leads out of the directory$/,
  ],
  [
    'a file through a link to another directory of the root',
    [{ name: 'out-of-dir/x' }],
    /leads out of the directory$/,
  ],
  [
    'a hard link to the outside',
    [hardLink('h', '../../outside/secret')],
    notRegular('h', '../../outside/secret'),
  ],
  ['an absolute hard link', [hardLink('h', '/etc/passwd')], notRegular('h', '/etc/passwd')],
  [
    'a hard link through a link',
    [hardLink('h', 'there-before/secret')],
    notRegular('h', 'there-before/secret'),
  ],
  [
    'a hard link to a link that leads out',
    [hardLink('h', 'there-before-relative')],
    outsideLinkError('h', '../..'),
  ],
  [
    'a hard link to a directory',
    [{ name: 'd/', type: '5' }, hardLink('h', 'd')],
    notRegular('h', 'd'),
  ],
  ['a hard link to nothing', [hardLink('h', 'absent')], notRegular('h', 'absent')],
  ['a character device', [{ name: 'c', type: '3', mode: 0o666 }], unsupported('c', 'Dcrw-rw-rw-')],
  ['a block device', [{ name: 'b', type: '4', mode: 0o600 }], unsupported('b', 'Drw-------')],
  ['a part of a file on another volume', [{ name: 's', type: 'M' }], unsupported('s', '"M"')],
  ['an unknown type', [{ name: 'z', type: 'Z' }], unsupported('z', '"Z"')],
  [
    'a file in the place of a directory',
    [{ name: 'd/', type: '5' }, { name: 'd' }],
    'tar file entry d: a directory is in its place',
  ],
  [
    'a directory below a file',
    [{ name: 'f' }, { name: 'f/x' }],
    /^tar file entry f\/x: \S+ is not a directory$/,
  ],
];

test.each(attacks)('the archive %s is refused', async (_what, entries, message) => {
  const { root, work, outside } = scene();
  const before = [snapshot(outside), names(join(root, 'sibling'))];
  await expect(unpack(rawTarGz(...entries), root, 'work')).rejects.toMatchObject({
    code: 'ERR_ARCHIVE',
    message: typeof message === 'string' ? message : expect.stringMatching(message),
  });
  expect([snapshot(outside), names(join(root, 'sibling'))]).toEqual(before);
  expect(leftovers(work)).toEqual([]);
});

test('a name or a target that is not UTF-8 keeps its bytes, from the header and from GNU long names', async () => {
  const bad = sealed(withBytes(block({ name: 'x' }), 0, Buffer.from([0x61, 0xff])));
  const target = sealed(withBytes(block(link('l', 'x')), 157, Buffer.from([0x61, 0xff])));
  const long = block({ name: '././@LongLink', type: 'L', content: Buffer.from([0x61, 0xff, 0]) });
  for (const start of [bad, target, Buffer.concat([long, block({ name: 'x' })])]) {
    const { root, work } = scene();
    const archive = gzipSync(Buffer.concat([start, endOfArchive]));
    await unpack(archive, root, 'work');
    const made = start === target ? { l: '-> a\xff' } : { 'a\xff': '' };
    expect(readOddTree(work)).toMatchObject(made);
  }
});

function withBytes(bytes: Buffer, offset: number, patch: Buffer): Buffer {
  patch.copy(bytes, offset);
  return bytes;
}

const invalidHeader = 'tar error: archive/tar: invalid tar header';
const meta = (type: string, content: string): RawEntry => ({ name: 'meta', type, content });

const malformed: [what: string, tar: Buffer, message: string][] = [
  ['text', Buffer.alloc(512, 'A'), invalidHeader],
  [
    'text after an entry',
    Buffer.concat([block({ name: 'f' }), Buffer.alloc(512, 'A')]),
    `${invalidHeader} after f`,
  ],
  [
    'text after one block of zeros',
    Buffer.concat([Buffer.alloc(512), block({ name: 'f' })]),
    invalidHeader,
  ],
  [
    'gzip inside gzip',
    gzipSync(rawTar({ name: 'f', content: 'x'.repeat(3000) }), { level: 0 }),
    invalidHeader,
  ],
  [
    'a PAX record of the wrong length',
    rawTar(meta('x', '99 path=x\n'), { name: 'f' }),
    invalidHeader,
  ],
  [
    'a PAX record without an equals sign',
    rawTar(meta('x', '6 pat\n'), { name: 'f' }),
    invalidHeader,
  ],
  ['a PAX size that is no number', rawTar(meta('x', '10 size=x\n'), { name: 'f' }), invalidHeader],
  ['a negative PAX size', rawTar(meta('x', '11 size=-1\n'), { name: 'f' }), invalidHeader],
  ['a path for the whole archive', rawTar(meta('g', '10 path=x\n'), { name: 'f' }), invalidHeader],
  ['a long name that belongs to no entry', rawTar(meta('L', 'x')), invalidHeader],
  [
    'a size that is no number',
    Buffer.concat([
      sealed(withBytes(block({ name: 'f' }), 124, Buffer.from('no number!!'))),
      endOfArchive,
    ]),
    invalidHeader,
  ],
  [
    'a size beyond all numbers',
    Buffer.concat([
      sealed(withBytes(block({ name: 'f' }), 124, Buffer.alloc(12, 0x80))),
      endOfArchive,
    ]),
    invalidHeader,
  ],
  [
    'a long name of two megabytes',
    rawTar(meta('L', 'x'.repeat(2 << 20)), { name: 'f' }),
    'tar error: archive/tar: header field too long',
  ],
];

test.each(malformed)('the file %s is not an archive', async (_what, tar, message) => {
  const { root, work } = scene();
  const archive = gzipSync(tar);
  const error = { code: 'ERR_ARCHIVE', message };
  await expect(unpack(archive, root, 'work')).rejects.toMatchObject(error);
  expect(leftovers(work)).toEqual([]);
});

test('a path of a hundred thousand elements is an error within moments', async () => {
  const { root } = scene();
  const path = 'a/'.repeat(100_000);
  const error = { code: 'ERR_ARCHIVE' };
  await expect(unpack(rawTarGz({ name: 'x', pax: { path } }), root)).rejects.toMatchObject(error);
});

test('an archive reaches nothing outside, whatever its entries and their order', async () => {
  const part = fc.constantFrom('a', 'b', 'c', '..', '.', 'there-before', 'out-of-dir', 'secret');
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const entry = fc.record({ name: path, type: fc.constantFrom('0', '1', '2', '5'), link: path });
  const normal = (entries: RawEntry[]) =>
    entries.map(({ link: target, ...rest }) =>
      '12'.includes(rest.type ?? '0') ? { ...rest, link: target! } : rest,
    );
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { maxLength: 8 }), fc.boolean(), async (entries, twice) => {
      const top = makeDirectory();
      try {
        const { root, outside } = scene(top);
        const before = snapshot(outside);
        const halves = twice ? [entries.slice(0, 4), entries.slice(4)] : [entries];
        for (const half of halves) {
          // One entry too many must not hide what the others do.
          for (const archive of [half, ...half.map((one) => [one])]) {
            await unpack(rawTarGz(...normal(archive)), root, 'work').catch((error: unknown) => {
              expect(isGomoteError(error), String(error)).toBe(true);
            });
          }
        }
        expect(snapshot(outside)).toEqual(before);
        expect(names(top).filter((name) => !name.includes('/'))).toEqual(['outside', 'root']);
        expect(names(join(root, 'sibling'))).toEqual([]);
      } finally {
        removeDirectory(top);
      }
    }),
    { numRuns: times(40, 300) },
  );
});
