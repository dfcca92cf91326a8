import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../../helpers/temporary.ts';
import { directory, file, names, plant, type Tree } from '../../tar/tree.ts';
import { onAllKinds, pushBench } from '../push-helper.ts';

const built: Tree = [
  ['#kept#', file('backup')],
  ['a.c', file('source')],
  ['a.o', file('object')],
  ['kept.o', file('tracked')],
  ['node_modules', directory([['x', directory([['y.js', file('y')]])]])],
  ['out', directory([['report', file('report')]])],
  [
    'sub',
    directory([
      ['b.o', file('object')],
      ['made.txt', file('made')],
    ]),
  ],
];

const git = (top: string, ...args: string[]) => execFileSync('git', ['-C', top, ...args]);

function repository(top: string): string {
  mkdirSync(top, { recursive: true });
  git(top, 'init', '-q');
  writeFileSync(join(top, '.gitignore'), '*.o\nnode_modules/\n');
  writeFileSync(join(top, 'kept.o'), 'tracked');
  git(top, 'add', '-f', 'kept.o');
  return top;
}

const withoutIgnored = ['#kept#', 'a.c', 'kept.o', 'out', 'out/report', 'sub', 'sub/made.txt'];

const visible = (top: string) => names(top).filter((name) => !name.startsWith('.git'));

onAllKinds((kind) => {
  describe('what a push from here would not send', () => {
    async function bench() {
      const made = await pushBench(kind);
      mkdirSync(made.there);
      plant(made.there, built);
      return made;
    }

    it('is not pulled into a work tree of git: what git ignores and does not track', async () => {
      const { pull } = await bench();
      const top = repository(join(temporaryDirectory(), 'tree'));
      const summary = await pull(top);
      expect(summary).toMatchObject({ ignored: ['a.o', 'node_modules', 'sub/b.o'], kept: [] });
      expect(visible(top)).toEqual(withoutIgnored);
      await pull(top, { noIgnore: true });
      expect(existsSync(join(top, 'node_modules/x/y.js'))).toBe(true);
    });

    it('is not pulled into a new directory of one, either', async () => {
      const { pull } = await bench();
      const top = join(repository(join(temporaryDirectory(), 'tree')), 'new/deep');
      await pull(top);
      expect(visible(top)).toEqual(withoutIgnored.filter((name) => name !== 'kept.o'));
    });

    it('is pulled into a directory that git ignores as a whole', async () => {
      const { pull } = await bench();
      const tree = repository(join(temporaryDirectory(), 'tree'));
      writeFileSync(join(tree, '.gitignore'), '*.o\nbuild/\n');
      expect(await pull(join(tree, 'build'))).toMatchObject({ ignored: [], files: 8 });
    });

    it('is decided by .gomoteignore last', async () => {
      const { pull } = await bench();
      const top = repository(join(temporaryDirectory(), 'tree'));
      mkdirSync(join(top, 'sub'));
      writeFileSync(join(top, '.gomoteignore'), 'out/\n!a.o\n');
      writeFileSync(join(top, 'sub/.gomoteignore'), 'made.*\n');
      const { ignored } = await pull(top);
      expect(ignored).toEqual(['node_modules', 'out', 'sub/b.o', 'sub/made.txt']);
    });

    it('is decided by the rules of a repository inside the tree', async () => {
      const { pull } = await bench();
      const top = repository(join(temporaryDirectory(), 'tree'));
      repository(join(top, 'sub'));
      writeFileSync(join(top, 'sub/.gitignore'), 'made.txt\n');
      const { ignored } = await pull(top);
      expect(ignored).toEqual(['a.o', 'node_modules', 'sub/made.txt']);
    });

    it('outside git is the backups of editors, and what --exclude matches', async () => {
      const { pull } = await bench();
      const top = join(temporaryDirectory(), 'new');
      expect(await pull(top)).toMatchObject({ ignored: ['#kept#'] });
      expect(names(top)).not.toContain('#kept#');
      expect(names(top)).toContain('node_modules/x/y.js');
      const other = join(temporaryDirectory(), 'new');
      const exclude = ['*.o', '/out'];
      const { ignored } = await pull(other, { exclude });
      expect(ignored).toEqual(['#kept#', 'a.o', 'kept.o', 'out', 'sub/b.o']);
      const all = join(temporaryDirectory(), 'new');
      expect(await pull(all, { exclude, noIgnore: true })).toMatchObject({
        ignored: ['a.o', 'kept.o', 'out', 'sub/b.o'],
      });
    });

    it('is determined without following links, or running what the repository says', async () => {
      const { pull } = await bench();
      const top = repository(join(temporaryDirectory(), 'tree'));
      const marker = join(top, 'ran');
      git(top, 'config', 'core.fsmonitor', `touch ${marker};:`);
      git(top, 'config', 'core.hooksPath', top);
      const elsewhere = repository(join(temporaryDirectory(), 'other'));
      symlinkSync(elsewhere, join(top, 'sub'));
      expect(await pull(top)).toMatchObject({ kept: ['sub'] });
      expect(existsSync(join(elsewhere, 'made.txt'))).toBe(false);
      expect(existsSync(marker)).toBe(false);
    });

    it('does not delay a pull where .git is no repository', async () => {
      const { pull } = await bench();
      const top = temporaryDirectory();
      mkdirSync(join(top, '.git/hooks'), { recursive: true });
      expect(await pull(top)).toMatchObject({ kept: [] });
      expect(existsSync(join(top, 'a.c'))).toBe(true);
    });
  });
});
