// gomote watch, with real files and a real buildlet.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { until } from '../helpers/processes.ts';
import { ending, workshop } from '../helpers/programs.ts';

/** A watch of a tree in which `a` is; each run adds a line to `log` there, which is above the tree. */
async function watching(script: string, options: readonly string[] = []) {
  const shop = workshop();
  const name = await shop.create();
  const workDir = (await shop.gomote('run', name, 'pwd')).stdout.toString().trim();
  const top = join(shop.directory, 'tree');
  mkdirSync(top);
  writeFileSync(join(top, 'a'), '1');
  writeFileSync(join(top, '.gomoteignore'), '*.tmp\n');
  const child = shop.start('gomote', ['watch', ...options, name, '--', 'sh', '-c', script], {
    cwd: top,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = ending(child);
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const log = (): string[] => {
    try {
      return readFileSync(join(workDir, 'log'), 'utf8').split('\n').slice(0, -1);
    } catch {
      return [];
    }
  };
  const logged = (lines: readonly string[]) =>
    until(() => JSON.stringify(log()) === JSON.stringify(lines), 30_000);
  const write = (file: string, text: string) => writeFileSync(join(top, file), text);
  const says = (text: string) => until(() => said.includes(text), 30_000);
  return { shop, name, workDir, top, child, ended, log, logged, write, says, said: () => said };
}

const logging = 'cat a >>../log; echo >>../log';

describe('gomote watch', { timeout: 120_000 }, () => {
  it('pushes and runs, and again when something has changed', async () => {
    const { write, logged, says, said, child, ended } = await watching(`${logging}; exit 3`);
    await logged(['1']);
    await says('gomote: exit status 3 after ');
    write('a', '2');
    await logged(['1', '2']);
    write('a', '3');
    await logged(['1', '2', '3']);
    // During a run, the signal would be the command's.
    await until(() => said().split('gomote: exit status 3 after ').length === 4, 30_000);
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130, stdout: Buffer.alloc(0) });
  });

  it('runs nothing for ignored files, or for a change that was undone', async () => {
    const { write, logged, says, top } = await watching(logging);
    await logged(['1']);
    await says('exit status 0');
    write('x.tmp', 'ignored');
    write('new', '');
    rmSync(join(top, 'new'));
    mkdirSync(join(top, 'dir.tmp'));
    write('dir.tmp/x', '');
    write('a', '2');
    await logged(['1', '2']);
  });

  it('runs once for all changes during a run, and never twice at a time', async () => {
    const script = `echo begin >>../log; until test -e ../go; do sleep 0.02; done; rm ../go; ${logging}`;
    const { write, logged, workDir, log } = await watching(script);
    await logged(['begin']);
    for (const text of ['2', '3', '4']) write('a', text);
    write('b', 'new');
    writeFileSync(join(workDir, 'go'), '');
    await logged(['begin', '1', 'begin']);
    writeFileSync(join(workDir, 'go'), '');
    await logged(['begin', '1', 'begin', '4']);
    write('a', '5');
    await until(() => log().length === 5, 30_000);
    expect(log()[4]).toBe('begin');
  });

  it('with --interrupt ends the run when something has changed, and begins again', async () => {
    const script = `cat a >>../log; echo >>../log; test "$(cat a)" = 3 || exec sleep 1000`;
    const { write, logged, says } = await watching(script, ['--interrupt']);
    await logged(['1']);
    write('x.tmp', 'ignored');
    write('a', '2');
    await logged(['1', '2']);
    write('a', '3');
    await logged(['1', '2', '3']);
    await says('gomote: exit status 0 after ');
    write('a', '4');
    await logged(['1', '2', '3', '4']);
  });

  it('continues when the command cannot be started, and after a command that exceeded its time', async () => {
    const shop = workshop();
    const name = await shop.create();
    const top = join(shop.directory, 'tree');
    mkdirSync(top);
    const options = ['--timeout', '1s', name, '--', './build'];
    const child = shop.start('gomote', ['watch', ...options], { cwd: top });
    onTestFinished(() => void child.kill('SIGKILL'));
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
    }
    await until(() => said.includes('no such file'), 30_000);
    writeFileSync(join(top, 'build'), '#!/bin/sh\nexec sleep 1000\n', { mode: 0o755 });
    await until(() => said.includes('ran out of time after 1s'), 30_000);
    writeFileSync(join(top, 'build'), '#!/bin/sh\necho built\n', { mode: 0o755 });
    await until(() => said.includes('built\n'), 30_000);
  });

  it('ends with an error when the buildlet is gone', async () => {
    const { shop, name, says, ended } = await watching('true');
    await says('exit status 0');
    await shop.gomote('destroy', name);
    expect(await ended).toMatchObject({ code: 125, stderr: expect.stringContaining(name) });
  });

  it('leaves no run behind when it is ended', async () => {
    const { shop, name, logged, child, ended } = await watching(`${logging}; exec sleep 1000`);
    await logged(['1']);
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ code: 143 });
    const runs = JSON.parse((await shop.gomote('ps', '--json', name)).stdout.toString());
    expect(runs.filter(({ running }: { running: boolean }) => running)).toEqual([]);
  });

  it('fetches files and reports after each run, and these start no run', async () => {
    const report = `echo "<testsuite name='$(date +%N)'><testcase name='one'/></testsuite>" >report.xml`;
    const options = ['--get', 'out', '--junit', 'report.xml', '--junit-output', 'merged [1].xml'];
    const { shop, name, write, logged, says, top, said } = await watching(
      `${report}; { cat a; echo; date +%N; } >out; ${logging}`,
      options,
    );
    const fetched = () => readFileSync(join(top, 'out'), 'utf8').split('\n')[0];
    const runs = () => said().split('exit status 0').length - 1;
    await logged(['1']);
    await says('wrote 1 test to merged [1].xml');
    await until(() => runs() === 1);
    expect(fetched()).toBe('1');
    write('a', '2');
    await logged(['1', '2']);
    await until(() => runs() === 2);
    expect(fetched()).toBe('2');
    expect(readFileSync(join(top, 'merged [1].xml'), 'utf8')).toContain('name="one"');
    // The push before the second run left out what the first one had written here.
    const there = (await shop.gomote('ls', '-R', name)).stdout.toString();
    expect(there).toContain('report.xml');
    expect(there).not.toContain('merged');
  });

  it.each<[string, string, string, string[], string?]>([
    ['at the top', '.', 'out', []],
    ['that is required', '.', 'out', [], '--require'],
    ['with --interrupt', '.', '/out', ['--interrupt']],
    ['in a directory below', 'sub [1]', 'out', []],
  ])(
    'starts no run for a fetched file that changes with each run, %s',
    async (_, below, get, options, fetch = '--get') => {
      const shop = workshop();
      const name = await shop.create();
      const top = join(shop.directory, 'tree');
      mkdirSync(join(top, below), { recursive: true });
      execFileSync('git', ['init', '-q', top]);
      writeFileSync(join(top, 'a'), '1');
      const script = 'date +%N >out; echo run';
      const child = shop.start(
        'gomote',
        ['watch', ...options, fetch, get, name, '--', 'sh', '-c', script],
        { cwd: join(top, below) },
      );
      onTestFinished(() => void child.kill('SIGKILL'));
      let said = '';
      child.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      let runs = 0;
      child.stdout?.on('data', (chunk: Buffer) => {
        runs += chunk.toString().split('run').length - 1;
      });
      const fetched = () => said.split('1 file pulled').length - 1;
      const looks = () => said.split('file to ').length - 1;
      await until(() => fetched() === 1, 30_000);
      writeFileSync(join(top, 'a'), '2');
      await until(() => fetched() === 2 && looks() === 2, 30_000);
      writeFileSync(join(top, 'b'), 'new');
      await until(() => fetched() === 3 && looks() === 3, 30_000);
      expect(runs).toBe(3);
      expect(said).not.toContain('0 files to ');
    },
  );

  it('gives the command no standard input', async () => {
    const { logged } = await watching('cat >>../log; echo over >>../log');
    await logged(['over']);
  });
});
