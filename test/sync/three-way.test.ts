// The table of docs/pull.md, cell by cell.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { directory, file, plant, symlink, type Tree } from '../tar/tree.ts';
import { allKinds, pushBench, sharedPushBench } from './push-helper.ts';

/** What is done to `x`, which was pushed or pulled. */
const changes: Record<string, (x: string) => void> = {
  nothing: () => undefined,
  'other content': (x) => replace(x, () => writeFileSync(x, 'edited')),
  'other content of the same size': (x) => replace(x, () => writeFileSync(x, 'BASE')),
  'another mode': (x) => chmodSync(x, 0o755),
  'a link': (x) => replace(x, () => symlinkSync('y', x)),
  'a directory': (x) =>
    replace(x, () => {
      mkdirSync(x);
      writeFileSync(join(x, 'in'), 'in');
    }),
  removal: (x) => rmSync(x, { recursive: true }),
};

/** What is done to it at the other end, so that both differ. */
const others: Record<string, (x: string) => void> = {
  'other content': (x) => replace(x, () => writeFileSync(x, 'built there')),
  'another mode': (x) => chmodSync(x, 0o711),
  'a link': (x) => replace(x, () => symlinkSync('z', x)),
  'a directory': (x) =>
    replace(x, () => {
      mkdirSync(x);
      writeFileSync(join(x, 'out'), 'out');
    }),
};

function replace(x: string, make: () => void): void {
  rmSync(x, { recursive: true, force: true });
  make();
}

/** What is at a path, with all that is below a directory. */
function told(x: string): string {
  const stats = lstatSync(x, { throwIfNoEntry: false });
  if (stats === undefined) return 'nothing';
  if (stats.isSymbolicLink()) return `link ${readlinkSync(x)}`;
  if (stats.isDirectory()) return `directory ${told(join(x, 'in'))} ${told(join(x, 'out'))}`;
  return `file ${(stats.mode & 0o777).toString(8)} ${readFileSync(x, 'utf8')}`;
}

const tree: Tree = [
  ['other', file('other')],
  ['x', file('base')],
];

const hour = 3600;

describe.each(allKinds)('a pull from %s', (name, kind) => {
  const shared = sharedPushBench(kind);
  /** A tree at both ends that gomote has pushed, or pulled. */
  async function known(how: 'pushed' | 'pulled') {
    const bench = await shared();
    const top = how === 'pushed' ? bench.top : join(temporaryDirectory(), 'pulled');
    if (how === 'pushed') {
      plant(top, tree);
      await bench.push();
    } else {
      mkdirSync(bench.there);
      plant(bench.there, tree);
      await bench.pull(top);
    }
    const [here, there] = [join(top, 'x'), join(bench.there, 'x')];
    const only = { changedOnly: how === 'pushed' };
    return {
      ...bench,
      top,
      here,
      there,
      pull: (more = {}) => bench.pull(top, { ...only, ...more }),
    };
  }

  // What was pulled is known in the same way, whatever it came from.
  const ways = name === allKinds[0]?.[0] ? (['pushed', 'pulled'] as const) : (['pushed'] as const);
  describe.each(ways)('of what was %s', (how) => {
    it.each(Object.keys(others))('fetches %s where nothing was changed here', async (what) => {
      const { here, there, pull } = await known(how);
      others[what]?.(there);
      expect(await pull()).toMatchObject({ kept: [] });
      expect(told(here)).toBe(told(there));
    });

    const here = Object.keys(changes).filter((what) => what !== 'nothing');
    const cells = here
      .flatMap((mine) => Object.keys(others).map((theirs) => [mine, theirs]))
      .filter(([mine, theirs]) => mine !== 'a directory' || theirs !== mine);
    it.each(cells)('keeps %s here beside %s there, and fetches the rest', async (mine, theirs) => {
      const { here: x, there, top, pull } = await known(how);
      changes[mine ?? '']?.(x);
      others[theirs ?? '']?.(there);
      writeFileSync(join(there, '../fresh'), 'fresh');
      const before = told(x);
      // Whose clock is ahead must not matter.
      if (mine === 'other content') utimesSync(x, 1, 1);
      const summary = await pull();
      expect([mine, theirs, told(x)]).toEqual([mine, theirs, before]);
      expect(summary.kept).toEqual(['x']);
      expect(readFileSync(join(top, 'fresh'), 'utf8')).toBe('fresh');
      const both = await pull({ keepBoth: true });
      expect(both.beside).toContain('x.remote');
      expect(told(x)).toBe(before);
      expect(told(join(top, 'x.remote'))).toBe(told(there));
      expect(await pull({ force: true })).toMatchObject({ kept: [] });
      expect(told(x).replace(' in ', ' nothing ')).toBe(told(there));
    });

    it.each(here)('does not mention %s that was made at both ends', async (what) => {
      if (what === 'removal') return;
      const { here: x, there, pull } = await known(how);
      changes[what]?.(x);
      changes[what]?.(there);
      expect(await pull()).toMatchObject({ kept: [], files: 0 });
      expect(told(x)).toBe(told(there));
    });

    it('fetches the content of a directory into an existing one', async () => {
      const { here: x, there, pull } = await known(how);
      changes['a directory']?.(x);
      others['a directory']?.(there);
      expect(await pull()).toMatchObject({ kept: [], files: 1 });
      expect(told(x)).toBe('directory file 644 in file 644 out');
    });

    it('keeps what was removed there', async () => {
      const { here: x, there, pull } = await known(how);
      rmSync(there);
      expect(await pull()).toMatchObject({ kept: [], files: 0 });
      expect(told(x)).toBe('file 644 base');
    });

    it('changes nothing with a dry run', async () => {
      const { here: x, there, top, pull } = await known(how);
      writeFileSync(there, 'built there');
      writeFileSync(join(there, '../fresh'), 'fresh');
      expect(await pull({ dryRun: true })).toMatchObject({ paths: ['fresh', 'x'], files: 2 });
      expect(told(x)).toBe('file 644 base');
      expect(existsSync(join(top, 'fresh'))).toBe(false);
    });
  });

  it.each(['other content', 'another mode', 'a link', 'a directory', 'removal'])(
    'of everything keeps %s here where nothing was changed there',
    async (what) => {
      const { here: x, pull } = await known('pulled');
      changes[what]?.(x);
      const before = told(x);
      expect(await pull()).toMatchObject({ kept: ['x'], files: 0 });
      expect(told(x)).toBe(before);
      await pull({ force: true });
      expect(told(x)).toBe('file 644 base');
    },
  );

  it('of changes requests nothing where nothing was changed there', async () => {
    const { here: x, pull } = await known('pushed');
    writeFileSync(x, 'edited');
    expect(await pull()).toMatchObject({ kept: [], files: 0 });
    expect(told(x)).toBe('file 644 edited');
  });

  it('fetches what was changed there again after an earlier pull', async () => {
    const { here: x, there, pull } = await known('pushed');
    for (const content of ['one', 'two', 'three']) {
      writeFileSync(there, content);
      expect(await pull()).toMatchObject({ kept: [], files: 1 });
      expect(told(x)).toBe(`file 644 ${content}`);
    }
  });

  it('keeps an edit of what was pulled, also one of the same length', async () => {
    const { here: x, there, pull } = await known('pushed');
    writeFileSync(there, 'built');
    await pull();
    writeFileSync(x, 'BUILT');
    writeFileSync(there, 'again');
    expect(await pull()).toMatchObject({ kept: ['x'] });
    expect(told(x)).toBe('file 644 BUILT');
  });

  it.each([-hour, 0, hour])('keeps unknown files, %d s older than there', async (age) => {
    const { there, pull } = await shared();
    mkdirSync(there);
    plant(there, tree);
    const top = temporaryDirectory();
    writeFileSync(join(top, 'x'), 'mine');
    const seconds = lstatSync(join(there, 'x')).mtimeMs / 1000 + age;
    utimesSync(join(top, 'x'), seconds, seconds);
    expect(await pull(top)).toMatchObject({ kept: ['x'], files: 1 });
    expect(told(join(top, 'x'))).toBe('file 644 mine');
  });

  it('keeps what was changed here when what was pushed is no longer known', async () => {
    const { here: x, there, pull } = await known('pushed');
    writeFileSync(there, 'built');
    const lost = { cacheDirectory: temporaryDirectory() };
    expect(await pull(lost)).toMatchObject({ kept: ['x'], files: 0 });
    expect(told(x)).toBe('file 644 base');
  });

  it('takes what a pull from another buildlet wrote for nobody’s edit, and edits of it for somebody’s', async () => {
    const first = await pushBench(kind);
    const second = await pushBench(kind);
    const { cacheDirectory } = first;
    const top = join(temporaryDirectory(), 'out');
    for (const { there } of [first, second]) mkdirSync(there);
    writeFileSync(join(first.there, 'report'), 'first');
    writeFileSync(join(second.there, 'report'), 'second');
    await first.pull(top);
    expect(await second.pull(top, { cacheDirectory })).toMatchObject({ kept: [], files: 1 });
    expect(readFileSync(join(top, 'report'), 'utf8')).toBe('second');
    writeFileSync(join(top, 'report'), 'edited');
    expect(await first.pull(top)).toMatchObject({ kept: ['report'] });
  });

  it('takes what was pushed to another buildlet alone for somebody’s edit', async () => {
    const { here: x, there, top, cacheDirectory, pull } = await known('pushed');
    writeFileSync(there, 'built from what was pushed first');
    writeFileSync(x, 'edited, and pushed elsewhere');
    const other = await pushBench(kind);
    await other.push({ cacheDirectory }, top);
    expect(await pull()).toMatchObject({ kept: ['x'], files: 0 });
    expect(told(x)).toBe('file 644 edited, and pushed elsewhere');
  });

  it('fetches everything again into a removed directory', async () => {
    const { top, there, pull } = await known('pulled');
    rmSync(top, { recursive: true });
    expect(await pull()).toMatchObject({ kept: [], files: 2 });
    expect(told(join(top, 'x'))).toBe(told(there));
  });

  it('keeps a directory that was removed here, with what is in it', async () => {
    const { there, pull } = await shared();
    mkdirSync(there);
    plant(there, [
      ['a', file('a')],
      [
        'd',
        directory([
          ['in', file('in')],
          ['link', symlink('in')],
        ]),
      ],
    ]);
    const top = join(temporaryDirectory(), 'pulled');
    await pull(top);
    rmSync(join(top, 'd'), { recursive: true });
    writeFileSync(join(there, 'd/in'), 'changed');
    expect(await pull(top)).toMatchObject({ kept: ['d'], files: 0 });
    expect(existsSync(join(top, 'd'))).toBe(false);
  });

  it('does not overwrite what somebody else has named NAME.remote', async () => {
    const { here: x, there, top, pull } = await known('pushed');
    writeFileSync(x, 'edited');
    writeFileSync(there, 'built');
    writeFileSync(join(top, 'x.remote'), 'mine, too');
    const summary = await pull({ keepBoth: true });
    expect(summary).toMatchObject({ kept: ['x'], beside: [], files: 0 });
    expect(readFileSync(join(top, 'x.remote'), 'utf8')).toBe('mine, too');
  });
});
