import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { diff } from '../../../src/sync/diff.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';
import { directory, file, names, plant, snapshot, symlink, type Tree } from '../../tar/tree.ts';
import { onAllKinds, pushBench } from '../push-helper.ts';

const tree: Tree = [
  ['a.txt', file('alpha\n')],
  ['bin', directory([['tool', file('#!/bin/sh\n', 0o755)]])],
  ['empty', directory()],
  ['link', symlink('bin/tool')],
  ['name with spaces é 漢', file('odd')],
  ['none', file('')],
  [
    'sub',
    directory([
      ['up', symlink('../a.txt')],
      ['b.txt', file('beta\n')],
    ]),
  ],
];

/** A directory's own time is when it was made. */
const facts = (root: string): string[] =>
  snapshot(root).map((line) => line.replace(/( 4\d{4}) \d+ /, '$1 '));

onAllKinds((kind) => {
  describe('a pull', () => {
    it('fetches everything, and nothing when nothing has changed', async () => {
      const { there, pull } = await pushBench(kind);
      mkdirSync(there);
      plant(there, tree);
      const to = join(temporaryDirectory(), 'new');
      expect(await pull(to)).toMatchObject({ files: 5, kept: [], refused: [] });
      expect(facts(to)).toEqual(facts(there));
      expect(await pull(to)).toMatchObject({ files: 0 });
    });

    it.each([
      [['*.txt'], ['a.txt', 'sub/b.txt']],
      [['/*.txt'], ['a.txt']],
      [['sub'], ['sub', 'sub/b.txt', 'sub/up']],
      [['sub/'], ['sub', 'sub/b.txt', 'sub/up']],
      [['bin/*', '!tool'], []],
      [
        ['**/tool', 'none'],
        ['bin/tool', 'none'],
      ],
      [['nothing*'], []],
    ])('of %j fetches that alone, with the directories that it is in', async (only, matched) => {
      const { there, pull } = await pushBench(kind);
      mkdirSync(there);
      plant(there, tree);
      const to = join(temporaryDirectory(), 'new');
      expect((await pull(to, { only })).matched?.toSorted()).toEqual(matched);
      const above = matched.flatMap((path) => path.split('/').slice(0, -1));
      const wanted = [...new Set([...matched, ...above])];
      const found = existsSync(to) ? readdirSync(to, { recursive: true }) : [];
      expect(found.toSorted()).toEqual(wanted.toSorted());
      // Nothing else has been seen: it is not taken for removed later.
      expect(await pull(to)).toMatchObject({ kept: [] });
      expect(facts(to)).toEqual(facts(there));
    });

    it('that replaces unknown files leaves alone only what was pushed or pulled and changed here', async () => {
      const { there, pull } = await pushBench(kind);
      mkdirSync(there);
      plant(there, tree);
      const to = temporaryDirectory();
      writeFileSync(join(to, 'none'), 'of somebody');
      await pull(to, { replacesUnknown: true });
      expect(readFileSync(join(to, 'none'), 'utf8')).toBe('');
      for (const path of ['a.txt', 'sub/b.txt']) writeFileSync(join(there, path), 'there');
      writeFileSync(join(to, 'a.txt'), 'changed here');
      rmSync(join(to, 'sub/b.txt'));
      expect(await pull(to, { replacesUnknown: true })).toMatchObject({ kept: ['a.txt'] });
      expect(readFileSync(join(to, 'a.txt'), 'utf8')).toBe('changed here');
      expect(readFileSync(join(to, 'sub/b.txt'), 'utf8')).toBe('there');
    });

    it('fetches what has changed there, and leaves alone what is only here', async () => {
      const { there, pull } = await pushBench(kind);
      mkdirSync(there);
      plant(there, tree);
      const to = join(temporaryDirectory(), 'new');
      await pull(to);
      writeFileSync(join(to, 'mine'), 'mine');
      utimesSync(join(to, 'a.txt'), 1, 1);
      writeFileSync(join(there, 'a.txt'), 'other\n');
      rmSync(join(there, 'none'));
      chmodSync(join(there, 'bin/tool'), 0o700);
      expect(await pull(to)).toMatchObject({ files: 2 });
      expect(readFileSync(join(to, 'a.txt'), 'utf8')).toBe('other\n');
      expect(lstatSync(join(to, 'bin/tool')).mode & 0o777).toBe(0o700);
      expect(names(to)).toContain('mine');
      expect(names(to)).toContain('none');
    });

    it('overwrites newer local files only with force', async () => {
      const { there, pull } = await pushBench(kind);
      mkdirSync(there);
      plant(there, tree);
      const to = join(temporaryDirectory(), 'new');
      await pull(to);
      const future = Date.now() / 1000 + 100;
      writeFileSync(join(to, 'a.txt'), 'edited');
      utimesSync(join(to, 'a.txt'), future, future);
      rmSync(join(to, 'sub'), { recursive: true });
      writeFileSync(join(to, 'sub'), 'a file here');
      writeFileSync(join(there, 'fresh'), 'fresh');
      expect(await pull(to)).toMatchObject({ files: 1, kept: ['a.txt', 'sub'] });
      expect(readFileSync(join(to, 'a.txt'), 'utf8')).toBe('edited');
      expect(readFileSync(join(to, 'fresh'), 'utf8')).toBe('fresh');
      expect(await pull(to, { force: true })).toMatchObject({ kept: [] });
      expect(readFileSync(join(to, 'a.txt'), 'utf8')).toBe('alpha\n');
      expect(readFileSync(join(to, 'sub/b.txt'), 'utf8')).toBe('beta\n');
    });

    it('makes no link that leads out of the directory, and writes through none', async () => {
      const { buildlet, there, pull } = await pushBench(kind);
      mkdirSync(there);
      plant(there, [
        ['a', file('a')],
        ['d', directory([['f', file('f')]])],
      ]);
      symlinkSync('../elsewhere', join(there, 'out'));
      writeFileSync(join(buildlet.workDir, 'elsewhere'), 'secret');
      const parent = temporaryDirectory();
      const to = join(parent, 'new');
      expect(await pull(to)).toMatchObject({ files: 2, refused: ['out'] });
      expect(readdirSync(to)).toEqual(['a', 'd']);
      rmSync(join(to, 'd'), { recursive: true });
      mkdirSync(join(parent, 'victim'));
      symlinkSync('../victim', join(to, 'd'));
      expect(await pull(to)).toMatchObject({ kept: ['d'] });
      await pull(to, { force: true });
      expect(readdirSync(join(parent, 'victim'))).toEqual([]);
      expect(readFileSync(join(to, 'd/f'), 'utf8')).toBe('f');
    });

    it('fetches only what commands have made or changed since the push', async () => {
      const { top, there, client, push, pull } = await pushBench(kind);
      plant(top, tree);
      await push();
      const signal = new AbortController().signal;
      expect(await diff(client, signal)).toEqual([]);
      writeFileSync(join(there, 'a.txt'), 'built');
      mkdirSync(join(there, 'out'));
      writeFileSync(join(there, 'out/x.o'), 'object');
      rmSync(join(there, 'none'));
      rmSync(join(there, 'link'));
      symlinkSync('a.txt', join(there, 'link'));
      expect((await diff(client, signal)).map(({ status, path }) => `${status} ${path}`)).toEqual([
        'M tree/a.txt',
        'M tree/link',
        'D tree/none',
        'A tree/out',
        'A tree/out/x.o',
      ]);
      const to = join(temporaryDirectory(), 'new');
      expect(await pull(to, { changedOnly: true })).toMatchObject({ files: 2 });
      expect(names(to)).toEqual(['a.txt', 'link', 'out', 'out/x.o']);
    });

    it('fails when there is no such directory', async () => {
      const { pull } = await pushBench(kind);
      const to = join(temporaryDirectory(), 'new');
      await expect(pull(to, { dir: 'absent' })).rejects.toThrow(/absent/);
      expect(existsSync(to)).toBe(false);
    });
  });
});
