// Runs that are left running, and runs of an id that there is already.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cliWithBuildlet } from '../helpers/cli-buildlet.ts';

describe('run --detach', () => {
  it.each([
    ['a command that is not there', ['nosuch'], 127],
    ['a file that is not there', ['./nosuch'], 127],
    ['a file that is not executable', ['/etc/passwd'], 126],
    ['a directory', ['/'], 126],
  ])('%s has a status, and no id', async (_what, command, code) => {
    const { cli, name } = await cliWithBuildlet();
    const told = await cli(['run', '--detach', name, ...command]);
    expect(told).toMatchObject({ code, stdout: '' });
    expect(told.stderr).toMatch(/^gomote: [^\n]+\n$/);
  });

  it('prints the id of a run that has already ended', async () => {
    const { cli, name } = await cliWithBuildlet();
    const told = await cli(['run', '--detach', '--id', 'x', name, 'sh', '-c', 'exit 3']);
    expect(told).toEqual({ code: 0, stdout: 'x\n', stderr: '' });
    expect(await cli(['wait', name, 'x'])).toMatchObject({ code: 3 });
  });

  it('gives wait one answer in JSON, also where no run is known', async () => {
    const { cli, name } = await cliWithBuildlet();
    await cli(['run', '--detach', '--id', 'x', name, 'true']);
    const unknown = await cli(['wait', '--json', name, 'no-such']);
    expect(unknown).toMatchObject({ code: 125, stdout: '' });
    expect(JSON.parse(unknown.stderr)).toMatchObject({
      message: expect.stringContaining('no-such'),
    });
    const some = await cli(['wait', '--json', name, 'x', 'no-such']);
    expect(JSON.parse(some.stdout)).toMatchObject([{ id: 'x' }]);
  });

  it('writes no report of how the run ended', async () => {
    const { cli, name } = await cliWithBuildlet();
    const file = join(cli.directory, 'report');
    const told = await cli(['run', '--detach', '--status-json', file, name, 'sh', '-c', 'exit 3']);
    expect(told).toMatchObject({ code: 125, stdout: '' });
    expect(told.stderr).toContain('--status-json');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ origin: 'usage', code: 125 });
    expect((await cli(['ps', name])).stdout).toBe('');
  });

  it('reports that standard input is not passed', async () => {
    const { cli, name } = await cliWithBuildlet();
    const told = await cli(['run', '--detach', name, 'cat'], { stdin: ['text'] });
    expect(told.code).toBe(0);
    expect(told.stderr).toContain('no standard input');
  });

  it('with -i passes all of it first', async () => {
    const { cli, name } = await cliWithBuildlet();
    const given = { stdin: ['some ', 'text'] };
    const { stdout } = await cli(['run', '-i', '--detach', name, 'cat'], given);
    expect(await cli(['attach', name, stdout.trim()])).toEqual({
      code: 0,
      stdout: 'some text',
      stderr: '',
    });
  });
});

describe('run --id', () => {
  it.each([[[]], [['--detach']]])('prints with %j that the run already exists', async (more) => {
    const { cli, name } = await cliWithBuildlet();
    const run = ['run', '--id', 'x', ...more, name, 'sh', '-c', 'echo out; exit 3'];
    const [first, second] = [await cli(run), await cli(run)];
    expect(first.stderr).toBe('');
    expect(second).toMatchObject({ code: first.code, stdout: first.stdout });
    expect(second.stderr).toMatch(/^gomote: run x was started \S+ ago; it is not started again\n$/);
  });

  it('refuses another command', async () => {
    const { cli, name } = await cliWithBuildlet();
    await cli(['run', '--id', 'x', name, 'true']);
    const told = await cli(['run', '--id', 'x', name, 'false']);
    expect(told).toMatchObject({ code: 125, stdout: '' });
    expect(told.stderr).toContain('another command');
  });
});
