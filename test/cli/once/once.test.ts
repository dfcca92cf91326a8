import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ending, workshop } from '../../helpers/programs.ts';

/** A workshop whose tree is a git work tree with a file. */
async function project() {
  const shop = workshop();
  const top = join(shop.directory, 'project');
  mkdirSync(top);
  await shop.run('git', 'init', '--quiet', top);
  writeFileSync(join(top, '.gitignore'), 'out\n');
  writeFileSync(join(top, 'a.txt'), 'alpha\n');
  const once = async (...args: string[]) => {
    const child = shop.start('gomote', ['once', ...args], { cwd: top });
    const { code, stdout, stderr } = await ending(child);
    return { code, stdout: stdout.toString(), stderr };
  };
  const list = async () => (await shop.gomote('list')).stdout.toString();
  return { ...shop, top, once, list };
}

describe('gomote once', () => {
  it('runs the command where the tree is, with its output and status, and leaves nothing', async () => {
    const { once, list, directory } = await project();
    const ended = await once('--', 'sh', '-c', 'cat a.txt; basename "$PWD"; echo e >&2; exit 3');
    expect(ended).toEqual({ code: 3, stdout: 'alpha\nproject\n', stderr: 'e\n' });
    expect(await list()).toBe('');
    expect(existsSync(join(directory, 'gomote', 'me-local-0'))).toBe(false);
  });

  it.each([
    ['a command that is not found', ['--', 'no-such-command'], 127],
    ['a command that a signal ends', ['--', 'sh', '-c', 'kill -9 $$'], 137],
    ['a command that takes too long', ['--timeout', '50ms', '--', 'sleep', '600'], 124],
    ['a line for the shell', ['--sh', 'exit 7', '--'], 7],
    ['a type by its beginning', ['loc', '--', 'sh', '-c', 'exit 4'], 4],
    ['a type that is not known', ['amiga', '--', 'true'], 125],
    ['a word too many', ['local', 'make', '--', 'true'], 125],
    ['no --', ['local', 'make'], 125],
    ['no command', ['local', '--'], 125],
    ['nothing at all', [], 125],
    ['a backend that is not known', ['--backend', 'nowhere', '--', 'true'], 125],
    ['a setup that is not there', ['--setup', 'none.sh', '--', 'true'], 125],
    ['a pattern that is none', ['--get', '..', '--', 'true'], 125],
    ['--on with a type', ['--on', 'x', 'local', '--', 'true'], 125],
    ['--on with --keep', ['--on', 'x', '--keep', 'never', '--', 'true'], 125],
    ['--on of one that is not there', ['--on', 'me-local-99', '--', 'true'], 125],
    ['a report that cannot be', ['--timing-json', 'fd:x', '--', 'true'], 125],
  ])('has the status of run for %s', async (_what, args, code) => {
    const { once, list } = await project();
    expect(await once(...args)).toMatchObject({ code });
    expect(await list()).toBe('');
  });

  it('fetches what matches, also when the command failed, over what it fetched before', async () => {
    const { once, top } = await project();
    const script = 'mkdir -p out; echo $1 > out/r.xml; echo b > out/other; exit $2';
    const run = (...words: string[]) =>
      once('--get', 'out/*.xml', '--', 'sh', '-c', script, 'sh', ...words);
    expect(await run('one', '5')).toMatchObject({ code: 5 });
    expect(readFileSync(join(top, 'out/r.xml'), 'utf8')).toBe('one\n');
    expect(await run('two', '0')).toMatchObject({ code: 0 });
    expect(readFileSync(join(top, 'out/r.xml'), 'utf8')).toBe('two\n');
    expect(existsSync(join(top, 'out/other'))).toBe(false);
  });

  it('fetches into another directory', async () => {
    const { once, top, directory } = await project();
    const into = join(directory, 'there');
    expect(await once('--into', into, '--get', 'r', '--', 'sh', '-c', 'echo 1 >r')).toMatchObject({
      code: 0,
    });
    expect([existsSync(join(into, 'r')), existsSync(join(top, 'r'))]).toEqual([true, false]);
  });

  it.each([
    ['is missing', '0', 1],
    ['is missing and the command failed', '6', 6],
  ])('reports that a required file %s', async (_what, status, code) => {
    const { once, top } = await project();
    const ended = await once(
      '--get',
      'r',
      '--require',
      'no',
      '--',
      'sh',
      '-c',
      `echo 1 >r; exit ${status}`,
    );
    expect(ended.code).toBe(code);
    expect(ended.stderr).toMatch(
      /gomote: me-local-0: nothing matches "no"; it was required with --require/,
    );
    expect(existsSync(join(top, 'r'))).toBe(true);
  });

  it('only reports a pattern that matches nothing', async () => {
    const { once } = await project();
    const ended = await once('--get', 'no', '--', 'true');
    expect(ended).toMatchObject({ code: 0 });
    expect(ended.stderr).toContain('nothing matches "no"');
  });

  it('leaves alone a pushed file that was changed here meanwhile', async () => {
    const { once, top } = await project();
    // The local machine shares the disk: the command itself is the one who changes it here.
    const script = `echo there > a.txt; echo here > '${join(top, 'a.txt')}'`;
    const ended = await once('--get', 'a.txt', '--', 'sh', '-c', script);
    expect(ended.code).toBe(125);
    expect(ended.stderr).toContain('a.txt: changed here');
    expect(readFileSync(join(top, 'a.txt'), 'utf8')).toBe('here\n');
  });

  it.each([
    ['never', '0', false],
    ['never', '1', false],
    ['failure', '0', false],
    ['failure', '1', true],
    ['always', '0', true],
    ['always', '1', true],
  ])('keeps %s, at status %s: %s', async (keep, status, isKept) => {
    const { once, list, start, top } = await project();
    const ended = await once('--quiet', '--keep', keep, '--', 'sh', '-c', `exit ${status}`);
    expect(ended.code).toBe(Number(status));
    expect((await list()) !== '').toBe(isKept);
    expect(ended.stderr.includes('end it: gomote destroy me-local-0')).toBe(isKept);
    if (!isKept) return;
    const again = start('gomote', ['run', 'me-local-0', 'cat', 'a.txt'], { cwd: top });
    expect((await ending(again)).stdout.toString()).toBe('alpha\n');
  });

  it('uses a buildlet that exists, and leaves it', async () => {
    const { once, list, create } = await project();
    const name = await create();
    expect(await once('--on', name, '--', 'cat', 'a.txt')).toEqual({
      code: 0,
      stdout: 'alpha\n',
      stderr: '',
    });
    expect(await list()).toContain(name);
  });

  it('pushes what --exclude leaves, or nothing, to the directory of --dest', async () => {
    const { once, top } = await project();
    writeFileSync(join(top, 'b.txt'), 'beta\n');
    const list = ['--', 'sh', '-c', 'basename "$PWD"; ls'];
    expect((await once('--exclude', 'b.*', '--dest', 'deep/tree', ...list)).stdout).toBe(
      'tree\na.txt\n',
    );
    expect((await once('--no-push', ...list)).stdout).toBe('work\n');
  });

  it('sets up a machine before the command, which does not run if the setup fails', async () => {
    const { once, top, list } = await project();
    const setup = join(top, 'setup.sh');
    writeFileSync(setup, 'echo made > from-setup; echo setting up\n');
    const args = ['--setup', setup, '--', 'sh', '-c', 'ls ..; cat ../from-setup'];
    expect(await once(...args)).toEqual({
      code: 0,
      stdout: 'from-setup\nproject\nmade\n',
      stderr: 'setting up\n',
    });
    writeFileSync(setup, '#!/bin/sh\necho bad luck; exit 3\n');
    const failed = await once(...args);
    expect([failed.code, failed.stdout]).toEqual([125, '']);
    expect(failed.stderr).toContain(
      `the setup ${setup} failed: exit status 3: bad luck; the command was not run`,
    );
    expect(await list()).toBe('');
  });

  it('reports its phases as JSON, and keeps stdout for them', async () => {
    const { once, top } = await project();
    const args = ['--get', 'r', '--', 'sh', '-c', 'echo text; echo 1 > r; exit 2'];
    const { code, stdout, stderr } = await once('--json', '--timing-json', 'timing.json', ...args);
    expect(code).toBe(2);
    expect(stderr).toContain('text\n');
    const report = JSON.parse(stdout);
    expect(JSON.parse(readFileSync(join(top, 'timing.json'), 'utf8'))).toEqual(report);
    expect(report).toMatchObject({
      code: 2,
      machines: [
        {
          name: 'me-local-0',
          type: 'local',
          index: 0,
          kept: false,
          code: 2,
          files: ['r'],
          error: null,
        },
      ],
    });
    const [machine] = report.machines;
    expect(machine.phases.map(({ phase }: { phase: string }) => phase)).toEqual([
      ...['create', 'push', 'run', 'get', 'destroy'],
    ]);
    expect(machine.run).toMatchObject({ origin: 'remote', code: 2 });
  });

  it('reports a failure as JSON, too', async () => {
    const { once } = await project();
    const { code, stdout } = await once('--json', 'amiga', '--', 'true');
    expect([code, JSON.parse(stdout)]).toMatchObject([125, { code: 125, machines: [] }]);
  });

  it('passes standard input', async () => {
    const { start, top } = await project();
    const child = start('sh', ['-c', 'echo typed | gomote once -- cat'], { cwd: top });
    expect((await ending(child)).stdout.toString()).toBe('typed\n');
  });

  it('ends its machine also when nobody reads its output', async () => {
    const { run, list } = await project();
    const { stdout } = await run('sh', '-c', 'gomote once --no-push -- yes | head -n 1');
    expect(stdout.toString()).toBe('y\n');
    expect(await list()).toBe('');
  });
});
