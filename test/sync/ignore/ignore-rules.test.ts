import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { gitIgnored } from '../../../src/sync/ignore/git.ts';
import { isEditorBackup } from '../../../src/sync/ignore/ignore-rules.ts';
import { readLocalTree } from '../../../src/sync/local/local-tree.ts';
import { temporaryDirectory } from '../../helpers/temporary.ts';
import { directory, file, plant } from '../../tar/tree.ts';

const paths = async (top: string, options: Parameters<typeof readLocalTree>[1] = {}) =>
  (await readLocalTree(top, options)).entries.map(({ path }) => path);

const git = (cwd: string, ...args: string[]) =>
  execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@x', ...args], { cwd });

describe('the part of a tree that is pushed', () => {
  it('is what git does not ignore, and what is tracked in spite of the rules', async () => {
    const top = temporaryDirectory();
    git(top, 'init', '-q');
    plant(top, [
      ['.gitignore', file('*.o\nnode_modules/\n/top\n')],
      ['a.c', file()],
      ['a.o', file()],
      ['build', directory([['only.o', file()]])],
      ['empty', directory()],
      ['node_modules', directory([['x', directory([['y', file()]])]])],
      [
        'sub',
        directory([
          ['.gitignore', file('!keep.o\n')],
          ['keep.o', file()],
          ['top', file()],
        ]),
      ],
      ['top', file()],
      ['tracked.o', file()],
    ]);
    git(top, 'add', '-f', 'tracked.o');
    expect(await paths(top)).toEqual([
      ...['.gitignore', 'a.c', 'build', 'empty', 'sub', 'sub/.gitignore', 'sub/keep.o', 'sub/top'],
      'tracked.o',
    ]);
    expect(await paths(join(top, 'sub'))).toEqual(['.gitignore', 'keep.o', 'top']);
    expect(await paths(join(top, 'node_modules'))).toEqual(['x', 'x/y']);
    expect(await paths(top, { noIgnore: true })).toContain('node_modules/x/y');
  });

  it('follows the rules of a repository inside the repository, and never has .git', async () => {
    const top = temporaryDirectory();
    git(top, 'init', '-q');
    plant(top, [
      ['a', file()],
      [
        'inner',
        directory([
          ['.gitignore', file('out/\n*.log\n')],
          ['b', file()],
          ['x.log', file()],
          ['out', directory([['c', file()]])],
        ]),
      ],
    ]);
    git(join(top, 'inner'), 'init', '-q');
    expect(await paths(top)).toEqual(['a', 'inner', 'inner/.gitignore', 'inner/b']);
    const all = await paths(top, { noIgnore: true });
    expect(all).toContain('inner/out/c');
    expect(all.filter((path) => /(^|\/)\.git(\/|$)/.test(path))).toEqual([]);
  });

  it('is outside git what the .gomoteignore files leave', async () => {
    const top = temporaryDirectory();
    plant(top, [
      ['.gomoteignore', file('*.o\nout/\n')],
      ['a.o', file()],
      ['out', directory([['x', file()]])],
      [
        'sub',
        directory([
          ['.gomoteignore', file('!b.o\nlocal\n')],
          ['b.o', file()],
          ['local', file()],
        ]),
      ],
      ['local', file()],
    ]);
    expect(await paths(top)).toEqual([
      '.gomoteignore',
      'local',
      'sub',
      'sub/.gomoteignore',
      'sub/b.o',
    ]);
    expect(await paths(top, { exclude: ['sub/'] })).toEqual(['.gomoteignore', 'local']);
  });

  it('is in a git tree exactly what git lists, whatever the names are', async () => {
    const top = temporaryDirectory();
    git(top, 'init', '-q');
    plant(top, [
      ['#', file()],
      ['#TODO#', file()],
      ['.#lock', file()],
      ['.x.swp', file()],
      ['C#', directory([['P.cs', file()]])],
      ['new~', file()],
      ['notes~', file()],
      ['old~', directory([['x', file()]])],
    ]);
    git(top, 'add', '-A');
    git(top, 'rm', '-q', '--cached', 'new~');
    expect(await paths(top)).toEqual([
      ...['#', '#TODO#', '.#lock', '.x.swp', 'C#', 'C#/P.cs', 'new~', 'notes~', 'old~', 'old~/x'],
    ]);
  });

  it('includes outside git a directory with the name of a backup', async () => {
    const top = temporaryDirectory();
    plant(top, [
      ['#dir#', directory([['a', file()]])],
      ['C#', directory([['P.cs', file()]])],
      ['old~', directory([['x', file()]])],
      ['x~', file()],
    ]);
    expect(await paths(top)).toEqual(['#dir#', '#dir#/a', 'C#', 'C#/P.cs', 'old~', 'old~/x']);
  });

  it('excludes in a git tree what .gomoteignore excludes, and includes what it includes again', async () => {
    const top = temporaryDirectory();
    git(top, 'init', '-q');
    plant(top, [
      ['.gitignore', file('*.log\nout/\n')],
      ['.gomoteignore', file('docs/\n*.tmp\n!keep.log\n!/out/\n')],
      ['a.log', file()],
      ['a.tmp', file()],
      ['docs', directory([['d', file()]])],
      ['keep.log', file()],
      ['out', directory([['o', file()]])],
      [
        'sub',
        directory([
          ['.gomoteignore', file('!a.tmp\n')],
          ['a.tmp', file()],
        ]),
      ],
    ]);
    git(top, 'add', '-f', 'a.tmp');
    expect(await paths(top)).toEqual([
      ...['.gitignore', '.gomoteignore', 'keep.log', 'out', 'out/o'],
      ...['sub', 'sub/.gomoteignore', 'sub/a.tmp'],
    ]);
  });

  it.each(['.a.swp', 'a~', '#a#', '.#a'])('excludes the editor backup %s', (name) => {
    expect(isEditorBackup(name)).toBe(true);
  });

  it.each(['a.swp', 'a', 'a#b', '.a', 'C#', '#a', '#', '##', '~', '.swp', '.#'])(
    'includes %s',
    (name) => {
      expect(isEditorBackup(name)).toBe(false);
    },
  );

  it('is unknown when an ignore file cannot be read', async () => {
    const outside = temporaryDirectory();
    mkdirSync(join(outside, '.gomoteignore'));
    await expect(paths(outside)).rejects.toThrow(/cannot read .*\.gomoteignore/);
    expect(await paths(outside, { noIgnore: true })).toEqual(['.gomoteignore']);
  });

  it('is unknown when git fails, is missing, or does not answer', async () => {
    const top = temporaryDirectory();
    writeFileSync(join(top, '.git'), 'gitdir: /nowhere');
    await expect(paths(top)).rejects.toThrow(/git cannot say what it ignores.*nowhere/);
    const noGit = { PATH: '/nowhere' };
    await expect(gitIgnored(top, { environment: noGit })).rejects.toThrow(
      /there is no git on PATH/,
    );
    const bin = temporaryDirectory();
    const script = (text: string) => {
      writeFileSync(join(bin, 'git'), `#!/bin/sh\n${text}\n`);
      chmodSync(join(bin, 'git'), 0o755);
    };
    const environment = { PATH: `${bin}:${process.env.PATH}` };
    script('echo "warning: unable to access \'.gitignore\': Permission denied" >&2');
    await expect(gitIgnored(top, { environment })).rejects.toThrow(/Permission denied/);
    script('exec sleep 60');
    await expect(gitIgnored(top, { environment, timeoutMs: 50 })).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
    });
  });
});
