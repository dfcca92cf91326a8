import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { packTar } from '../../src/tar/pack.ts';
import { unpackTar } from '../../src/tar/unpack.ts';
import { times } from '../helpers/counts.ts';
import { collect, unpack } from './raw-archive.ts';
import {
  leftovers,
  makeDirectory,
  type Node,
  plant,
  removeDirectory,
  snapshot,
  type Tree,
} from './tree.ts';

const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 60 })
  .filter((text) => !/[/\0]/.test(text) && !/^\.\.?$/.test(text))
  .filter((text) => Buffer.from(text).toString() === text && Buffer.byteLength(text) <= 255);

const content = fc.uint8Array({ maxLength: 3000, size: 'max' });

const { tree } = fc.letrec<{ tree: Tree; node: Node }>((tie) => ({
  tree: fc.uniqueArray(fc.tuple(name, tie('node')), { maxLength: 5, selector: ([key]) => key }),
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      type: fc.constant('file' as const),
      content,
      mode: fc.integer({ min: 0, max: 0o7777 }).map((mode) => mode | 0o400),
    }),
    fc.record({ type: fc.constant('symlink' as const), target: name }),
    fc.record({
      type: fc.constant('directory' as const),
      children: tie('tree'),
      mode: fc.integer({ min: 0, max: 0o7777 }).map((mode) => mode | 0o500),
    }),
  ),
}));

async function inDirectories(use: (source: string, ...targets: string[]) => Promise<void>) {
  const top = makeDirectory();
  const paths = ['source', 'one', 'two'].map((part) => join(top, part)) as [string, ...string[]];
  for (const path of paths) mkdirSync(path);
  try {
    await use(...paths);
  } finally {
    removeDirectory(top);
  }
}

test('a random tree is the same after packing, from unpack and from GNU tar', async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.boolean(), async (planted, release) => {
      await inDirectories(async (source, one = '', two = '') => {
        plant(source, planted);
        const archive = await collect(packTar(source, '.', { release }));
        await unpack(archive, one);
        expect(snapshot(one)).toEqual(snapshot(source));
        execFileSync('tar', ['-xzpC', two], { input: archive });
        expect(snapshot(two)).toEqual(snapshot(source));
      });
    }),
    { numRuns: times(15, 100) },
  );
});

test('a random tree that GNU tar packs is the same after unpacking', async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.constantFrom('gnu', 'pax'), async (planted, format) => {
      await inDirectories(async (source, target = '') => {
        plant(source, planted);
        const options = ['-cz', `--format=${format}`, '-C', source, '.'];
        await unpack(execFileSync('tar', options), target);
        expect(snapshot(target)).toEqual(snapshot(source));
      });
    }),
    { numRuns: times(15, 100) },
  );
});

test('a random tree passes straight from pack to unpack', async () => {
  await fc.assert(
    fc.asyncProperty(tree, async (planted) => {
      await inDirectories(async (source, target = '') => {
        plant(source, planted);
        await unpackTar(packTar(source, '.'), { root: target, dir: 'd' });
        expect(snapshot(join(target, 'd'))).toEqual(snapshot(source));
      });
    }),
    { numRuns: times(10, 50) },
  );
});

test('a cut anywhere in a packed tree is an error that leaves no temporary file', async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.double({ min: 0, max: 1, noNaN: true }), async (planted, part) => {
      await inDirectories(async (source, target = '') => {
        plant(source, planted);
        const archive = await collect(packTar(source, '.'));
        const cut = archive.subarray(0, Math.floor(part * (archive.length - 1)));
        await expect(unpack(cut, target)).rejects.toMatchObject({ code: 'ERR_ARCHIVE' });
        expect(leftovers(target)).toEqual([]);
      });
    }),
    { numRuns: times(15, 100) },
  );
});

test.each([
  ['whole seconds', false],
  ['milliseconds', true],
])(
  'names that are not UTF-8 keep their bytes beside times in %s, also before 1970',
  async (_what, isPrecise) => {
    await inDirectories(async (source, one = '', two = '') => {
      const script = `n=$(printf '\\377'); mkdir "d$n" "e$(printf '%0120d' 0)$n"
      for d in "d$n" e*; do
        mkfifo "$d/p$n"; echo first >"$d/a$n"; echo second >"$d/b$n"; echo plain >"$d/c"; ln -s "a$n" "$d/l$n"; ln -s "a$n" "$d/link"
        touch -hd '1950-01-02 03:04:05.678' "$d/a$n" "$d/l$n"; touch -hd '2001-02-03 04:05:06.789' "$d/b$n" "$d/link"
      done`;
      execFileSync('sh', ['-c', script], { cwd: source });
      const list = (path: string) =>
        execFileSync(
          'sh',
          [
            '-c',
            'find . -printf "%p %y %l %Ts\\n" | LC_ALL=C sort; find . -type f -exec cat {} + | LC_ALL=C sort',
          ],
          { cwd: path },
        )
          .toString('latin1')
          .replace(/^\. .*$/m, '');
      const archive = await collect(packTar(source, '.', { isPrecise }));
      await unpack(archive, one);
      execFileSync('tar', ['-xzpC', two], { input: archive });
      expect(list(one)).toBe(list(source));
      expect(list(two)).toBe(list(source));
    });
  },
);
