// gomote cp: between this machine and buildlets, and between two buildlets.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCopyPlace } from '../../src/cli/transfer/copy.ts';
import { expandPattern } from '../../src/cli/transfer/glob.ts';
import { startBuildlet } from '../helpers/buildlet.ts';
import { testCli } from '../helpers/cli.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

describe('a place', () => {
  it.each([
    ['me-local-0:src/x', 'me-local-0', 'src/x'],
    ['team/me-linux-1:src/a:b', 'team/me-linux-1', 'src/a:b'],
    ['me-local-0:', 'me-local-0', ''],
    ['linux@build.example.com:src', 'linux@build.example.com', 'src'],
    ['linux@build.example.com:443:src', 'linux@build.example.com:443', 'src'],
    ['linux@[::1]:443:src', 'linux@[::1]:443', 'src'],
    ['ssh:me@box:22/me-ssh-0:src/a', 'ssh:me@box:22/me-ssh-0', 'src/a'],
    ['C:\\x', undefined, 'C:\\x'],
    ['c:x', undefined, 'c:x'],
    ['./a:b', undefined, './a:b'],
    ['../a:b', undefined, '../a:b'],
    ['/tmp/a:b', undefined, '/tmp/a:b'],
    ['.hidden:b', undefined, '.hidden:b'],
    ['plain', undefined, 'plain'],
    [':b', undefined, ':b'],
  ])('%s is on %s', (text, buildlet, path) => {
    expect(parseCopyPlace(text)).toEqual({ text, buildlet, path });
  });
});

describe('a pattern', () => {
  const tree: Record<string, string[]> = {
    '': ['a.c', 'b.c', '.hid.c', 'x[1]', 'sub/', 'other/', 'a b.c', '../evil.c', '..', 'x/../y.c'],
    'sub/': ['one.c', 'two.h'],
    'other/': ['three.c'],
  };
  it.each([
    ['*.c', ['a b.c', 'a.c', 'b.c']],
    ['?.c', ['a.c', 'b.c']],
    ['[ab].c', ['a.c', 'b.c']],
    ['[!a].c', ['b.c']],
    ['.*.c', ['.hid.c']],
    ['*/*.c', ['other/three.c', 'sub/one.c']],
    ['sub/*', ['sub/one.c', 'sub/two.h']],
    ['a *.c', ['a b.c']],
    ['*.x', []],
    ['x\\[*', ['x[1]']],
  ])('%s matches as in a shell, and nothing outside', async (pattern, paths) => {
    const list = async (directory: string) =>
      (tree[directory] ?? []).map((name) => ({
        name: name.replace(/\/$/, ''),
        isDirectory: name.endsWith('/'),
      }));
    expect(await expandPattern(pattern, list)).toEqual(paths);
  });
});

describe('gomote cp', () => {
  async function lab() {
    const cli = testCli();
    const here = temporaryDirectory();
    const open = async () => {
      const name = (await cli(['create', 'local'])).stdout.trim();
      return { name, work: (await cli(['run', name, 'pwd'])).stdout.trim() };
    };
    const at = (path: string) => join(here, path);
    return { cli, here, at, open, ...(await open()) };
  }
  const ok = { code: 0, stdout: '', stderr: '' };
  const text = (...path: string[]) => readFileSync(join(...path), 'utf8');

  it('copies a file up, down and to another buildlet, with its mode', async () => {
    const { cli, at, open, name, work } = await lab();
    const other = await open();
    writeFileSync(at('tool'), 'content', { mode: 0o755 });
    expect(await cli(['cp', at('tool'), `${name}:`])).toEqual(ok);
    expect(await cli(['cp', at('tool'), `${name}:deep/down/renamed`])).toEqual(ok);
    expect(await cli(['cp', at('tool'), `${name}:into/`])).toEqual(ok);
    for (const path of ['tool', 'deep/down/renamed', 'into/tool']) {
      expect([text(work, path), statSync(join(work, path)).mode & 0o777]).toEqual([
        'content',
        0o755,
      ]);
    }
    expect(await cli(['cp', `${name}:deep/down/renamed`, at('.')])).toEqual(ok);
    expect(await cli(['cp', `${name}:tool`, at('again')])).toEqual(ok);
    expect([text(at('renamed')), text(at('again'))]).toEqual(['content', 'content']);
    expect(statSync(at('again')).mode & 0o777).toBe(0o755);
    expect(await cli(['cp', `${name}:tool`, `${other.name}:there`])).toEqual(ok);
    expect(text(other.work, 'there')).toBe('content');
    expect(statSync(join(other.work, 'there')).mode & 0o777).toBe(0o755);
  });

  it('keeps a backslash of a name, in every direction', async () => {
    const { cli, at, open, name } = await lab();
    const other = await open();
    writeFileSync(at('a\\b'), 'x');
    mkdirSync(at('back'));
    expect(await cli(['cp', at('a\\b'), `${name}:in/`])).toEqual(ok);
    expect(await cli(['cp', `${name}:in/a\\b`, `${other.name}:in/`])).toEqual(ok);
    expect(await cli(['cp', `${other.name}:in/a\\b`, at('back')])).toEqual(ok);
    expect(readdirSync(at('back'))).toEqual(['a\\b']);
  });

  it('copies a directory as a whole, in every direction, into one that exists or under a new name', async () => {
    const { cli, at, open, name, work } = await lab();
    const other = await open();
    mkdirSync(at('tree/sub'), { recursive: true });
    mkdirSync(at('tree/empty'));
    writeFileSync(at('tree/.gitignore'), 'ignored\n');
    writeFileSync(at('tree/ignored'), 'also');
    writeFileSync(at('tree/sub/file'), 'x');
    symlinkSync('sub/file', at('tree/link'));
    mkdirSync(join(work, 'there'));
    expect(await cli(['cp', at('tree'), `${name}:there`])).toEqual(ok);
    expect(await cli(['cp', '-r', at('tree'), `${name}:new`])).toEqual(ok);
    const all = ['.gitignore', 'empty', 'ignored', 'link', 'sub'];
    expect(readdirSync(join(work, 'there/tree')).sort()).toEqual(all);
    expect(readdirSync(join(work, 'new')).sort()).toEqual(all);
    expect(await cli(['cp', `${name}:new`, `${other.name}:copy`])).toEqual(ok);
    expect(readdirSync(join(other.work, 'copy')).sort()).toEqual(all);
    writeFileSync(join(other.work, 'copy/sub/file'), 'changed there');
    expect(await cli(['cp', `${other.name}:copy`, at('.')])).toEqual(ok);
    expect(readdirSync(at('copy')).sort()).toEqual(all);
    // What is here is overwritten, as cp does.
    writeFileSync(at('copy/sub/file'), 'changed here');
    writeFileSync(at('copy/own'), 'stays');
    expect(await cli(['cp', `${other.name}:copy`, at('.')])).toEqual(ok);
    expect([text(at('copy/sub/file')), text(at('copy/own'))]).toEqual(['changed there', 'stays']);
  });

  it('copies what patterns match on either side, several sources into a directory', async () => {
    const { cli, here, at, name, work } = await lab();
    mkdirSync(join(work, 'logs'));
    for (const file of ['a.log', 'b.log', 'c.txt']) writeFileSync(join(work, 'logs', file), file);
    mkdirSync(at('in'));
    const summary = await cli([
      'cp',
      '--json',
      `${name}:logs/*.log`,
      `${name}:logs/c.txt`,
      at('in'),
    ]);
    expect(JSON.parse(summary.stdout)).toMatchObject({ files: 3, bytes: 15, failed: 0 });
    expect(readdirSync(at('in')).sort()).toEqual(['a.log', 'b.log', 'c.txt']);
    expect(await cli(['cp', join(here, 'in/?.log'), `${name}:up`])).toEqual(ok);
    expect(readdirSync(join(work, 'up')).sort()).toEqual(['a.log', 'b.log']);
    expect(await cli(['cp', `${name}:nosuch*`, at('in')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`nothing matches ${name}:nosuch*`),
    });
  });

  it('copies the rest when a source fails, names it, and fails', async () => {
    const { cli, at, name, work } = await lab();
    writeFileSync(join(work, 'good'), 'good');
    writeFileSync(join(work, 'last'), 'last');
    const some = await cli(['cp', `${name}:good`, `${name}:absent`, `${name}:last`, at('.')]);
    expect(some).toMatchObject({ code: 1, stderr: expect.stringContaining(`${name}:absent`) });
    expect([text(at('good')), text(at('last'))]).toEqual(['good', 'last']);
  });

  it('copies the rest of a directory with an odd file in it, names that, and fails', async () => {
    const { cli, at, open, name, work } = await lab();
    const other = await open();
    mkdirSync(join(work, 'odd'));
    writeFileSync(join(work, 'odd/plain'), 'plain');
    execFileSync('mkfifo', [join(work, 'odd/pipe')]);
    mkdirSync(at('odd'));
    writeFileSync(at('odd/plain'), 'plain');
    execFileSync('mkfifo', [at('odd/pipe')]);
    const { code, stderr } = await cli(['cp', `${name}:odd`, at('down')]);
    expect([code, stderr.includes('pipe')]).toEqual([1, true]);
    expect(text(at('down/plain'))).toBe('plain');
    // Buildlets take a FIFO as what it is.
    expect(await cli(['cp', `${name}:odd`, `${other.name}:over`])).toEqual(ok);
    expect(await cli(['cp', at('odd'), `${other.name}:up`])).toEqual(ok);
    for (const path of ['over', 'up']) {
      expect(statSync(join(other.work, path, 'pipe')).isFIFO()).toBe(true);
      expect(text(other.work, path, 'plain')).toBe('plain');
    }
  });

  it('refuses contradictory places before anything is copied', async () => {
    const { cli, at, open, name, work } = await lab();
    writeFileSync(at('file'), 'x');
    writeFileSync(join(work, 'file'), 'x');
    symlinkSync('loop', at('loop'));
    const other = await open();
    const rows: [string[], number, string][] = [
      [[at('file'), at('copy')], 2, 'neither'],
      [['C:\\x', 'D:\\y'], 2, 'neither'],
      [['-', `${name}:x`], 2, 'gomote put NAME - PATH'],
      [[`${name}:../x`, at('.')], 1, 'leaves the work directory'],
      [[`${name}:/etc/passwd`, at('.')], 1, 'leaves the work directory'],
      [[at('file'), `${name}:../x`], 1, 'leaves the work directory'],
      [[at('file')], 2, 'target'],
      [[`${name}:file`, at('absent/')], 2, 'is not a directory'],
      [[`${name}:file`, `${other.name}:file`, at('file')], 2, 'is not a directory'],
      [['C:\\x', `${name}:y`], 1, 'C:\\x'],
      [[`${name}:nosuch`, at('.')], 1, `${name}:nosuch`],
      [['nosuch-9:file', at('.')], 1, 'nosuch-9'],
      [[at('loop'), `${name}:x`], 1, `cannot read "${at('loop')}": too many levels`],
    ];
    for (const [args, code, says] of rows) {
      const result = await cli(['cp', ...args]);
      expect([args, result.code]).toEqual([args, code]);
      expect(result.stderr).toContain(says);
    }
    const twice = await cli(['cp', `${name}:file`, `${other.name}:file`, `${name}:file`, at('.')]);
    expect(twice).toMatchObject({ code: 1, stderr: expect.stringContaining('would overwrite') });
    expect(existsSync(at('copy'))).toBe(false);
  });

  it('copies to and from a buildlet that is named by its address', async () => {
    const { cli, at } = await lab();
    const buildlet = await startBuildlet({
      address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    });
    const there = `any@${buildlet.address}`;
    mkdirSync(at('tree'));
    writeFileSync(at('tree/file'), 'x');
    expect(await cli(['cp', at('tree'), `${there}:tree`])).toEqual(ok);
    expect(await cli(['cp', `${there}:tree/file`, at('back')])).toEqual(ok);
    expect(await cli(['cp', `${there}:tree`, at('whole')])).toEqual(ok);
    expect([text(at('back')), text(at('whole/file'))]).toEqual(['x', 'x']);
  });
});
