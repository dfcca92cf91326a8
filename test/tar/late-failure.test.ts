// An upload that fails when most of it is done has changed nothing.
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type RawEntry, rawTarGz, unpack } from './raw-archive.ts';
import { leftovers, snapshot, temporaryDirectory } from './tree.ts';

const link = (name: string, target: string): RawEntry => ({ name, type: '2', link: target });

/** A root in which there is something of everything. */
function scene(): string {
  const root = temporaryDirectory();
  for (const directory of ['full', 'work/kept'])
    mkdirSync(join(root, directory), { recursive: true });
  writeFileSync(join(root, 'full/f'), 'old');
  writeFileSync(join(root, 'file'), 'old');
  writeFileSync(join(root, 'work/kept/f'), 'old');
  symlinkSync('file', join(root, 'link'));
  symlinkSync('full', join(root, 'to-full'));
  return root;
}

/** What would be changed before it fails. */
const before: RawEntry[] = [
  { name: 'a-new/', type: '5', mode: 0o700 },
  { name: 'a-new/f', content: 'new' },
  { name: 'file', content: 'new' },
  { name: 'full/', type: '5', mode: 0o711, mtime: new Date(1e12) },
  { name: 'full/f', content: 'new' },
  { name: 'full/more', content: 'new' },
  link('link', 'a-new/f'),
];

const failures: [what: string, entries: RawEntry[], message: string][] = [
  ['a link over a directory', [link('work', 'file')], 'a directory is in its place'],
  [
    'a link over a directory of the archive',
    [link('a-new', 'file')],
    'a directory is in its place',
  ],
  ['a file over a directory', [{ name: 'work' }], 'a directory is in its place'],
  [
    'links that lead out only together',
    [link('z/a', 'b/../../x'), link('z/b', '..')],
    'leads out of the work directory',
  ],
  [
    'links that lead out only with one that was there',
    [link('z', 'to-full/../../x')],
    'leads out of the work directory',
  ],
  ['a directory below a file', [{ name: 'link/f' }], 'is not a directory'],
];

test.each(failures)('a failure (%s) changes nothing', async (_what, entries, message) => {
  const root = scene();
  const first = snapshot(root);
  await expect(unpack(rawTarGz(...before, ...entries), root)).rejects.toThrow(message);
  expect(snapshot(root)).toEqual(first);
  expect(leftovers(root)).toEqual([]);
});

test.each(failures)(
  'a failure (%s) leaves no directory that was made for it',
  async (_what, entries) => {
    const root = temporaryDirectory();
    const archive = rawTarGz(...before, ...entries, { name: 'bad', type: 'Z' });
    await expect(unpack(archive, root, 'made/for/it')).rejects.toMatchObject({
      code: 'ERR_ARCHIVE',
    });
    expect(snapshot(root)).toEqual([]);
  },
);

test('an archive without a failure changes all of that', async () => {
  const root = scene();
  await unpack(rawTarGz(...before), root);
  expect(leftovers(root)).toEqual([]);
  rmSync(join(root, 'work'), { recursive: true });
  rmSync(join(root, 'to-full'));
  const alone = temporaryDirectory();
  await unpack(rawTarGz(...before), alone);
  expect(snapshot(root)).toEqual(snapshot(alone));
});
