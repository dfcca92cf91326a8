import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import type { TreeChange } from '../../../src/protocol/tree-change.ts';
import { all } from '../../helpers/collect.ts';
import { until } from '../../helpers/processes.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';
import {
  directory,
  file,
  leftovers,
  names,
  plant,
  snapshot,
  symlink,
  type Tree,
} from '../../tar/tree.ts';
import { onAllKinds, pushBench, sharedPushBench } from '../push-helper.ts';

const tree: Tree = [
  ['a.txt', file('alpha\n')],
  ['bin', directory([['tool', file('#!/bin/sh\n', 0o755)]])],
  ['empty', directory()],
  ['link', symlink('bin/tool')],
  ['name with spaces é 漢', file('odd')],
  ['none', file('')],
  ['private', directory([['secret', file('s', 0o600)]], 0o700)],
  [
    'sub',
    directory([
      ['up', symlink('../a.txt')],
      ['b.txt', file('beta\n')],
    ]),
  ],
];

/** Names, kinds, modes and contents; a time is that of the file that was sent. */
const withoutTimes = (lines: string[]): string[] =>
  lines.map((line) => line.replace(/^("(?:[^"\\]|\\.)*" \d+) \d+ /, '$1 '));
const same = (a: string, b: string): void =>
  expect(withoutTimes(snapshot(a))).toEqual(withoutTimes(snapshot(b)));

/** The path of a push's record, which is written down after the answer. */
async function recordIn(workDir: string): Promise<string> {
  const records = join(workDir, '.gomote/push');
  const find = () =>
    existsSync(records) ? readdirSync(records).find((name) => /^[0-9a-f]+$/.test(name)) : undefined;
  await until(() => find() !== undefined);
  return join(records, find() ?? '');
}

onAllKinds((kind) => {
  const shared = sharedPushBench(kind);
  describe('a push', () => {
    it('makes the directory there equal to the local one', async () => {
      const { top, there, push } = await shared();
      plant(top, tree);
      expect(await push()).toMatchObject({ files: 6, bytes: 25, removed: 0 });
      same(there, top);
      expect(leftovers(there)).toEqual([]);
      const seconds = (root: string) => Math.floor(lstatSync(join(root, 'a.txt')).mtimeMs / 1000);
      expect(seconds(there)).toBe(seconds(top));
    });

    it('sends nothing when nothing has changed', async () => {
      const { top, push } = await shared();
      plant(
        top,
        tree.filter(([name]) => !['link', 'sub'].includes(name)),
      );
      await push();
      expect(await push()).toMatchObject({ changes: [], files: 0 });
    });

    it('sends only what has changed, also without anything remembered', async () => {
      const { top, there, push } = await shared();
      plant(top, tree);
      await push();
      writeFileSync(join(top, 'a.txt'), 'other\n');
      const { changes } = await push({ cacheDirectory: undefined });
      const files = changes.filter(
        (change) => change.op === 'write' && change.entry.kind === 'file',
      );
      expect(files).toMatchObject([{ entry: { path: 'a.txt' } }]);
      same(there, top);
    });

    it('finds a change that keeps size and time', async () => {
      const { top, there, push } = await shared();
      plant(top, tree);
      const path = join(top, 'a.txt');
      const { atime, mtime } = lstatSync(path);
      for (const text of ['ALPHA\n', 'again\n']) {
        await push();
        writeFileSync(path, text);
        utimesSync(path, atime, mtime);
        await push();
        expect(readFileSync(join(there, 'a.txt'), 'utf8')).toBe(text);
      }
    });

    it('does not send a file again of which only the time has changed', async () => {
      const { top, there, push } = await shared();
      writeFileSync(join(top, 'f'), 'same');
      writeFileSync(join(top, 'g'), 'other');
      await push();
      const isOld = kind.features !== undefined;
      for (const cacheDirectory of [undefined, temporaryDirectory(), undefined]) {
        for (const ms of [1_000, 2_500, 1_234_567_890_123, 1_500_000_000_001]) {
          utimesSync(join(top, 'f'), ms / 1000 + 0.0001, ms / 1000 + 0.0001);
          const { changes, files } = await push({ cacheDirectory });
          expect(files).toBe(0);
          expect(changes).toEqual(isOld ? [] : [{ op: 'time', path: 'f', mtimeMs: ms }]);
          if (!isOld) expect(Math.floor(lstatSync(join(there, 'f')).mtimeMs)).toBe(ms);
          expect((await push({ cacheDirectory })).changes).toEqual([]);
        }
      }
    });

    it('removes what was sent and is gone here, and keeps what builds have made', async () => {
      const { top, there, push } = await shared();
      plant(top, tree);
      await push();
      writeFileSync(join(there, 'sub/made.o'), 'made');
      mkdirSync(join(there, 'out'));
      rmSync(join(top, 'sub'), { recursive: true });
      rmSync(join(top, 'a.txt'));
      rmSync(join(top, 'private'), { recursive: true });
      await push();
      expect(readdirSync(there).sort()).toEqual(
        ['bin', 'empty', 'link', 'name with spaces é 漢', 'none', 'out', 'sub'].sort(),
      );
      expect(readdirSync(join(there, 'sub'))).toEqual(['made.o']);
    });

    it('removes what builds have made if it mirrors', async () => {
      const { top, there, push } = await shared();
      plant(top, tree);
      await push();
      mkdirSync(join(there, 'out/deep'), { recursive: true });
      writeFileSync(join(there, 'out/deep/x'), '');
      await push({ mirror: true });
      same(there, top);
    });

    it('restores what a build has changed or removed', async () => {
      const { top, there, push } = await shared();
      plant(top, tree);
      await push();
      writeFileSync(join(there, 'a.txt'), 'built');
      rmSync(join(there, 'bin'), { recursive: true });
      rmSync(join(there, 'link'));
      symlinkSync('a.txt', join(there, 'link'));
      await push();
      same(there, top);
    });

    it('replaces a file by a directory, a directory by a link, and back', async () => {
      const { top, there, push } = await shared();
      const forms: Tree[] = [
        [
          ['x', file('file')],
          ['y', file('y')],
        ],
        [
          ['x', directory([['in', directory([['deep', file('d')]])]])],
          ['y', file('y')],
        ],
        [
          ['x', symlink('y')],
          ['y', file('y')],
        ],
        [
          ['x', directory()],
          ['y', symlink('x')],
        ],
        [
          ['x', file('file')],
          ['y', directory([['z', file('z')]])],
        ],
      ];
      for (const form of [...forms, ...forms.toReversed()]) {
        rmSync(join(top, 'x'), { recursive: true, force: true });
        rmSync(join(top, 'y'), { recursive: true, force: true });
        plant(top, form);
        await push();
        same(there, top);
      }
    });

    it('follows renames, also one of case alone and an exchange of two names', async () => {
      const { top, there, push } = await shared();
      plant(top, [
        ['Readme', file('r'.repeat(5000))],
        ['one', file('1'.repeat(9000))],
        ['two', file('2'.repeat(9000))],
        ['old', directory([['f', file('f'.repeat(7000))]])],
      ]);
      await push();
      renameSync(join(top, 'Readme'), join(top, 'README'));
      renameSync(join(top, 'old'), join(top, 'new'));
      renameSync(join(top, 'one'), join(top, 't'));
      renameSync(join(top, 'two'), join(top, 'one'));
      renameSync(join(top, 't'), join(top, 'two'));
      await push();
      same(there, top);
    });

    it('follows modes, also of directories that cannot be written', async () => {
      const { top, there, push } = await shared();
      plant(top, tree);
      await push();
      chmodSync(join(top, 'a.txt'), 0o640);
      chmodSync(join(top, 'bin/tool'), 0o555);
      chmodSync(join(top, 'empty'), 0o750);
      await push();
      same(there, top);
    });

    it('changes nothing in a dry run', async () => {
      const { top, there, push } = await shared();
      plant(top, tree);
      const { changes } = await push({ dryRun: true });
      expect(changes).toHaveLength(12);
      expect(existsSync(there)).toBe(false);
    });

    it('sends the rest when a link leads out of the work directory, and names it', async () => {
      const { top, there, push } = await pushBench(kind);
      plant(top, [
        ['a', file('a')],
        ['evil', symlink('../../etc')],
        ['python', symlink('/usr/bin/python3')],
        ['z', file('z')],
      ]);
      for (const more of [{}, { mirror: true }]) {
        const { unsent } = await push(more);
        expect([...unsent.values()].map(({ message }) => message)).toEqual([
          'evil: the link to ../../etc leads out of the work directory',
          'python: the link to /usr/bin/python3 leads out of the work directory',
        ]);
        expect(readdirSync(there)).toEqual(['a', 'z']);
      }
    });

    it('keeps there what could not be sent this time', async () => {
      const { top, there, push } = await shared();
      plant(top, [
        ['a', symlink('b')],
        ['b', file('b')],
      ]);
      await push();
      rmSync(join(top, 'a'));
      symlinkSync('/usr', join(top, 'a'));
      for (const more of [{}, { mirror: true }]) {
        expect([...(await push(more)).unsent.keys()]).toEqual(['a']);
        expect(readlinkSync(join(there, 'a'))).toBe('b');
      }
    });

    it('keeps there what was sent before and is left out now', async () => {
      const { top, there, push } = await shared();
      plant(top, tree);
      await push();
      writeFileSync(join(top, 'a.txt'), 'changed');
      for (const more of [{}, { mirror: true }]) {
        const { changes } = await push({ exclude: ['bin/', '*.txt'], ...more });
        // A listing does not tell where a link leads.
        const isLink = (change: TreeChange) =>
          change.op === 'write' && change.entry.kind === 'symlink';
        expect(changes.filter((change) => !isLink(change))).toEqual([]);
      }
      writeFileSync(join(top, '.gomoteignore'), 'sub\n');
      await push();
      expect(readFileSync(join(there, 'sub/b.txt'), 'utf8')).toBe('beta\n');
      rmSync(join(top, '.gomoteignore'));
      await push();
      same(there, top);
      // It still counts as sent.
      rmSync(join(top, 'sub'), { recursive: true });
      await push();
      same(there, top);
    });

    it.each<[string, (path: string) => void]>([
      ['a file', (path) => writeFileSync(path, 'file')],
      ['a link', (path) => symlinkSync('a', path)],
    ])('does not put %s in place of a directory with what builds made', async (_, put) => {
      const { top, there, push } = await shared();
      plant(top, [
        ['a', file('a')],
        ['d', directory([['e', directory([['f', file('f')]])]])],
      ]);
      await push();
      writeFileSync(join(there, 'd/e/made.o'), 'made');
      rmSync(join(top, 'd'), { recursive: true });
      put(join(top, 'd'));
      writeFileSync(join(top, 'a'), 'changed');
      for (const dryRun of [true, false, false]) {
        const { unsent } = await push({ dryRun });
        expect([...unsent.values()].map(({ message }) => message)).toEqual([
          'd is a directory there, with d/e/made.o in it',
        ]);
      }
      expect(readFileSync(join(there, 'a'), 'utf8')).toBe('changed');
      expect(readdirSync(join(there, 'd/e'))).toEqual(['f', 'made.o']);
      await push({ force: true });
      same(there, top);
    });

    it('puts a file in place of a directory that has only what was sent', async () => {
      const { top, there, push } = await shared();
      plant(top, [['d', directory([['e', directory([['f', file('f')]])]])]]);
      await push();
      rmSync(join(top, 'd'), { recursive: true });
      writeFileSync(join(top, 'd'), 'file');
      expect((await push()).unsent.size).toBe(0);
      same(there, top);
    });

    it('reaches any directory of the work directory, and the work directory itself', async () => {
      const { top, buildlet, push } = await pushBench(kind);
      plant(top, tree);
      for (const dir of ['deep/er', '.']) {
        await push({ dir });
        expect(readlinkSync(join(buildlet.workDir, dir, 'link'))).toBe('bin/tool');
        expect(await push({ dir, mirror: true })).toMatchObject({ files: 0 });
      }
      expect(existsSync(join(buildlet.workDir, 'deep'))).toBe(false);
      await until(() => existsSync(join(buildlet.workDir, '.gomote/push')));
    });

    it('leaves nothing of its own in a listing or an archive of the work directory', async () => {
      const { top, client, push } = await pushBench(kind);
      plant(top, [['a', file('a')]]);
      await push();
      const listed = (await all(client.listDir('', { recursive: true }))).map(({ name }) => name);
      expect(listed).toEqual(['tree', 'tree/a']);
      const packed = spawnSync('tar', ['tz'], { input: await buffer(await client.getTar('')) });
      expect(packed.stdout.toString()).toBe('tree/\ntree/a\n');
    });

    it('forgets what was sent when the work directory is emptied', async () => {
      const { top, there, client, push } = await pushBench(kind);
      plant(top, tree);
      await push();
      await client.removeAll(['.']);
      mkdirSync(there);
      writeFileSync(join(there, 'a.txt'), 'made there');
      rmSync(join(top, 'a.txt'));
      await push();
      expect(readFileSync(join(there, 'a.txt'), 'utf8')).toBe('made there');
    });

    it('ignores a record under another name', async () => {
      const { top, there, buildlet, client, push } = await pushBench(kind);
      plant(top, [['a', file('a')]]);
      await push();
      const record = await recordIn(buildlet.workDir);
      copyFileSync(record, join(record, '..', '0'.repeat(16)));
      plant(top, [['b', file('b')]]);
      await push();
      rmSync(join(top, 'b'));
      await push({ cacheDirectory: undefined });
      expect(readdirSync(there)).toEqual(['a']);
      if (kind.features === undefined) {
        expect(await (await client.trees()).differences(undefined)).toEqual([]);
      }
    });

    it('knows what was sent to an earlier process of the buildlet', async () => {
      const first = await pushBench(kind);
      plant(first.top, tree);
      await first.push();
      await recordIn(first.buildlet.workDir);
      const second = await pushBench({ ...kind, workDir: first.buildlet.workDir });
      plant(
        second.top,
        tree.filter(([name]) => name !== 'a.txt'),
      );
      await second.push();
      expect(names(first.there)).toEqual(names(second.top));
    });
  });
});
