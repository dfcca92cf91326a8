import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BuildletClient } from '../../src/client/buildlet-client.ts';
import type { TreeChange } from '../../src/protocol/tree-change.ts';
import type { TreeEntry } from '../../src/protocol/tree-entry.ts';
import { pull } from '../../src/sync/pull/pull.ts';
import type { PullOptions } from '../../src/sync/pull/pull-options.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { entryOf, serveTree, streamOf, type ToldTree, writesOf } from '../helpers/tree-server.ts';
import { snapshot } from '../tar/tree.ts';
import { onAllKinds, pushBench } from './push-helper.ts';

async function pullFrom(told: ToldTree, to: string, options: Partial<PullOptions> = {}) {
  const client = new BuildletClient(await serveTree(told));
  onTestFinished(() => client.disconnect());
  const { signal } = new AbortController();
  return await pull(client, to, { dir: 'tree', signal, noIgnore: true, ...options });
}

/** A directory with somebody's work in it, and what it is like. */
function somebodys(): string {
  const top = join(temporaryDirectory(), 'mine');
  mkdirSync(join(top, 'kept/deep'), { recursive: true });
  mkdirSync(join(top, '.git/hooks'), { recursive: true });
  writeFileSync(join(top, '.git/config'), '[core]\n');
  writeFileSync(join(top, 'kept/deep/file'), 'mine');
  writeFileSync(join(top, 'same'), 'as there');
  writeFileSync(join(top, 'edited'), 'edited here');
  symlinkSync('kept', join(top, 'link'));
  return top;
}

const wanted = entryOf('wanted', 'good');
const same = entryOf('same', 'as there');

describe('a stream with entries that nobody asked for', () => {
  const cases: [what: string, changes: TreeChange[], contents?: string[]][] = [
    ['removes a file', [{ op: 'remove', path: 'same' }]],
    ['removes what was asked for', [{ op: 'remove', path: 'wanted' }]],
    ['removes a directory', [{ op: 'remove', path: 'kept/deep' }]],
    ['changes a mode', [{ op: 'mode', path: 'same', mode: 0o4777 }]],
    ['changes the mode of what was asked for', [{ op: 'mode', path: 'wanted', mode: 0o4777 }]],
    ['writes another file', writesOf([entryOf('other', 'x')])],
    ['writes a file that was the same', writesOf([entryOf('same', 'changed')])],
    ['overwrites an edited file', writesOf([entryOf('edited', 'theirs')])],
    ['writes below what was asked for', writesOf([entryOf('wanted/x', 'x')])],
    ['puts a file in a directory’s place', writesOf([entryOf('kept', 'x')])],
    ['puts a link in a directory’s place', writesOf([entryOf('kept', { target: 'x' })])],
    ['puts a directory in a link’s place', writesOf([entryOf('link', 'directory')])],
    ['writes through a link', writesOf([entryOf('link/deep/file', 'x')])],
    ['makes a link of a file', writesOf([entryOf('wanted', { target: 'same' })])],
    ['makes a directory of a file', writesOf([entryOf('wanted', 'directory')])],
    ['writes into .git', writesOf([entryOf('.git/hooks/pre-commit', 'x')])],
    ['writes a file twice', writesOf([wanted, entryOf('wanted', 'evil')]), ['good', 'evil']],
    [
      'makes a file of parts of another one',
      [
        {
          op: 'write',
          entry: wanted,
          patch: { source: 'edited', parts: [{ at: 0, length: wanted.size }] },
        },
      ],
    ],
  ];

  it.each(cases)('is refused as a whole: %s', async (_, changes, contents = []) => {
    for (const force of [false, true]) {
      const top = somebodys();
      const before = snapshot(top);
      const stream = streamOf(changes, contents);
      const pulling = pullFrom({ entries: [same, wanted], stream }, top, { force });
      await expect(pulling).rejects.toMatchObject({
        code: 'ERR_REPLY',
        message: expect.stringContaining('not asked for'),
      });
      expect(snapshot(top)).toEqual(before);
    }
  });

  it('is refused also when it begins correctly', async () => {
    const top = somebodys();
    const before = snapshot(top);
    const stream = streamOf([...writesOf([wanted]), { op: 'remove', path: 'same' }], ['good']);
    await expect(pullFrom({ entries: [same, wanted], stream }, top)).rejects.toThrow(/not asked/);
    expect(snapshot(top)).toEqual(before);
  });

  it.each([
    ['removes', [{ op: 'remove', path: 'x' }]],
    ['sends a file twice', writesOf([wanted, wanted])],
  ] as [string, TreeChange[]][])(
    'is refused when everything was asked for: %s',
    async (_, changes) => {
      const to = join(temporaryDirectory(), 'new');
      const stream = streamOf(changes, ['good', 'good']);
      await expect(pullFrom({ entries: [], stream }, to)).rejects.toThrow(/not asked for/);
      expect(existsSync(to)).toBe(false);
    },
  );
});

describe('a stream without entries that were asked for', () => {
  it('is not a success: missing files are named, and the rest is fetched', async () => {
    const top = somebodys();
    const entries = [entryOf('gone', 'x'), wanted];
    const stream = streamOf(writesOf([wanted]), ['good']);
    expect(await pullFrom({ entries, stream }, top)).toMatchObject({ failed: ['gone'], files: 1 });
    expect(readFileSync(join(top, 'wanted'), 'utf8')).toBe('good');
  });
});

describe('the mode of a file on another machine', () => {
  it.each([0o4777, 0o2755, 0o1777, 0o6711, 0o666])(
    'gives %o no more rights than a file here has',
    async (mode) => {
      const to = join(temporaryDirectory(), 'new');
      const entries = [
        entryOf('d', 'directory', { mode: mode | 0o700 }),
        entryOf('f', 'good', { mode }),
      ];
      for (const target of [to, somebodys()]) {
        const stream = streamOf(writesOf(entries), ['good']);
        await pullFrom({ entries, stream }, target);
        const allowed = 0o777 & ~process.umask();
        expect(lstatSync(join(target, 'f')).mode & 0o7777).toBe(mode & allowed);
        expect(lstatSync(join(target, 'd')).mode & 0o7777).toBe((mode | 0o700) & allowed);
      }
    },
  );
});

const inGit = [
  '.git/hooks/pre-commit',
  '.git',
  '.GIT/hooks/pre-commit',
  '.gIt/config',
  'deep/.git/config',
  'deep/.Git/config',
  '.g\u200cit/config',
  '.git\ufeff/config',
  '.git /config',
  '.git./config',
  'git~1/config',
  'deep/GIT~1/config',
  '.git::$INDEX_ALLOCATION/config',
  'x/.git:stream',
];

describe('a name that leads into .git', () => {
  it.each(inGit.map((path) => [JSON.stringify(path), path]))(
    'is not made, is named, and the rest is fetched: %s',
    async (_, path) => {
      const entries = [entryOf(path, 'evil'), wanted];
      const stream = streamOf(writesOf(entries), ['evil', 'good']);
      const fresh = join(temporaryDirectory(), 'new');
      expect(await pullFrom({ entries, stream }, fresh)).toMatchObject({
        refused: [path],
        files: 1,
      });
      expect(readdirSync(fresh)).toEqual(['wanted']);
      const top = somebodys();
      const before = snapshot(top);
      const known = { entries, stream: streamOf(writesOf([wanted]), ['good']) };
      expect(await pullFrom(known, top, { force: true })).toMatchObject({
        refused: [path],
        files: 1,
      });
      expect(snapshot(top).filter((line) => !line.includes('"wanted"'))).toEqual(
        before.filter((line) => !line.includes('"wanted"')),
      );
      expect(readdirSync(join(top, '.git/hooks'))).toEqual([]);
    },
  );

  it('is not reached by an earlier link of the stream', async () => {
    const top = somebodys();
    const entries: TreeEntry[] = [
      entryOf('x', { target: '.git' }),
      entryOf('x/hooks/pre-commit', 'evil'),
      entryOf('y', { target: 'kept/../.GIT/hooks' }),
      wanted,
    ];
    const stream = streamOf(writesOf([entries[1] as TreeEntry, wanted]), ['evil', 'good']);
    const summary = await pullFrom({ entries, stream }, top);
    expect(summary).toMatchObject({ refused: ['x', 'y'] });
    expect(readdirSync(join(top, '.git/hooks'))).toEqual([]);
    expect(readFileSync(join(top, 'wanted'), 'utf8')).toBe('good');
  });

  it('is not reached through a link that exists here', async () => {
    const top = somebodys();
    symlinkSync('.git', join(top, 'x'));
    const entries = [entryOf('x/hooks/pre-commit', 'evil'), wanted];
    const stream = streamOf(writesOf([wanted]), ['good']);
    expect(await pullFrom({ entries, stream }, top)).toMatchObject({ kept: ['x'], files: 1 });
    expect(readdirSync(join(top, '.git/hooks'))).toEqual([]);
    expect(readlinkSync(join(top, 'x'))).toBe('.git');
  });
});

it('a pull that keeps both versions names what cannot be put beside a directory of the buildlet', async () => {
  const top = somebodys();
  writeFileSync(join(top, 'd'), 'mine');
  mkdirSync(join(top, 'd.remote'));
  writeFileSync(join(top, 'd.remote/x'), 'mine, too');
  const entries = [entryOf('d', 'directory'), entryOf('d/x', 'theirs'), entryOf('d/y', 'good')];
  const stream = streamOf(writesOf(entries.slice(2)), ['good']);
  const summary = await pullFrom({ entries, stream }, top, { keepBoth: true });
  expect(summary).toMatchObject({ kept: ['d', 'd/x'], files: 1 });
  expect(readFileSync(join(top, 'd.remote/x'), 'utf8')).toBe('mine, too');
  expect(readFileSync(join(top, 'd.remote/y'), 'utf8')).toBe('good');
});

onAllKinds((kind) => {
  describe('a buildlet with a repository in its tree', () => {
    it('keeps the repository out of what is pulled', async () => {
      const { there, pull: pullTree } = await pushBench(kind);
      mkdirSync(join(there, '.git/hooks'), { recursive: true });
      mkdirSync(join(there, 'dep/.git'), { recursive: true });
      writeFileSync(join(there, '.git/hooks/pre-commit'), 'evil');
      writeFileSync(join(there, 'dep/.git/config'), 'evil');
      writeFileSync(join(there, 'dep/source'), 'good');
      const fresh = join(temporaryDirectory(), 'new');
      expect(await pullTree(fresh)).toMatchObject({ files: 1 });
      expect(existsSync(join(fresh, '.git'))).toBe(false);
      expect(readdirSync(join(fresh, 'dep'))).toEqual(['source']);
      const top = somebodys();
      expect(await pullTree(top)).toMatchObject({ files: 1 });
      expect(readdirSync(join(top, '.git/hooks'))).toEqual([]);
      expect(await pullTree(top, { changedOnly: true })).toMatchObject({ files: 0 });
    });
  });
});
