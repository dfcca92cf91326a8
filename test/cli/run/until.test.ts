// A command that is run again and again until its output matches.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { testCli } from '../../helpers/cli.ts';

/** Counts its runs in a file of the work directory; N is the number of this one. */
const counting = 'N=$(($(cat n 2>/dev/null || echo 0) + 1)); echo $N >n;';

async function atBuildlet() {
  const cli = testCli();
  const name = (await cli(['create', 'local'])).stdout.trim();
  const runs = async () => Number((await cli(['run', name, 'cat', 'n'])).stdout);
  const run = (...args: string[]) => cli(['run', ...args]);
  return { cli, name, run, runs };
}

describe('gomote run --until', () => {
  it('runs the command until its output matches, and reports that in the words of Go’s gomote', async () => {
    const { name, run } = await atBuildlet();
    const result = await run(
      '-until',
      'run [3-9]$',
      name,
      'sh',
      '-c',
      `${counting} printf "run $N"`,
    );
    expect(result).toEqual({
      code: 0,
      stdout: 'run 1run 2run 3',
      stderr: [
        `# No match found on "${name}", running again...`,
        `gomote: run 2 on ${name}`,
        `# No match found on "${name}", running again...`,
        `gomote: run 3 on ${name}`,
        `# Match found on "${name}".`,
        'gomote: run 3 matched',
        '',
      ].join('\n'),
    });
  });

  it.each([
    ['0 after one that failed', 'exit $((N < 2 ? 5 : 0))', 0],
    ['its own when it fails', 'exit $((N < 2 ? 0 : 5))', 5],
    ['that of its signal', 'test $N = 1 || kill -TERM $$', 143],
  ])('ends with the status of the run that matches: %s', async (_, end, code) => {
    const { name, run } = await atBuildlet();
    const script = `${counting} echo run $N; ${end}`;
    expect(await run('--until', 'run 2', name, 'sh', '-c', script)).toMatchObject({ code });
  });

  it('stops after --max runs', async () => {
    const { name, run, runs } = await atBuildlet();
    const script = `${counting} echo run $N`;
    const result = await run('--until', 'never', '--max', '2', name, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 1, stdout: 'run 1\nrun 2\n' });
    expect(result.stderr).toContain(`gomote: run 2 of 2 on ${name}\n`);
    expect(result.stderr).toContain(`gomote: no match on ${name} in 2 runs\n`);
    expect(await runs()).toBe(2);
  });

  it('stops after --timeout, whether or not a run has ended by then', async () => {
    const { name, run } = await atBuildlet();
    for (const command of [['true'], ['sleep', '1000']]) {
      const result = await run('--until', 'never', '--timeout', '300ms', name, ...command);
      expect(result).toMatchObject({ code: 124 });
      expect(result.stderr).toMatch(/no match on \S+ in [0-9]+ runs?, after 300ms \(--timeout\)/);
    }
  });

  it('finds what was written by a run that exceeded its time', async () => {
    const { name, run } = await atBuildlet();
    const script = 'echo hangs; exec sleep 1000';
    const result = await run('--until', 'hangs', '--timeout', '1s', name, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 124, stdout: 'hangs\n' });
    expect(result.stderr).toContain(`# Match found on "${name}".`);
  });

  it('stops at once when a run cannot be started', async () => {
    const { name, run } = await atBuildlet();
    const result = await run('--until', 'x', name, 'no-such-command');
    expect(result).toMatchObject({ code: 127 });
    expect(result.stderr).not.toContain('running again');
  });

  it.each([
    ['what stderr has', 'wrong', 'echo wrong >&2'],
    ['lines of both streams', 'one\ntwo', 'echo one; sleep 0.1; echo two >&2'],
    ['the beginning of a line', '(?m)^two$', 'echo one; echo two'],
    ['a line without an end', 'two$', 'printf "one\ntwo"'],
    ['letters beyond ASCII', '^\\p{Greek}+\n', 'echo λόγος'],
    ['a class of POSIX', '[[:digit:]]{3}', 'echo 123'],
    ['what would take others forever', '^(a+)+$', `printf ${'a'.repeat(5000)}`],
  ])('matches %s', async (_, pattern, script) => {
    const { name, run } = await atBuildlet();
    const result = await run('--until', pattern, '--max', '1', name, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 0 });
  });

  it.each([
    ['^two', 'echo one; echo two'],
    ['^(a+)+$', `printf ${'a'.repeat(5000)}b`],
    ['One', 'echo one'],
  ])('does not match %j in a wrong place', async (pattern, script) => {
    const { name, run } = await atBuildlet();
    const result = await run('--until', pattern, '--max', '1', name, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 1 });
  });

  it.each([
    [['--until', '('], /--until "\(" is not a regular expression: missing closing \)/],
    [['--until', '(?=x)'], /--until "\(\?=x\)" is not a regular expression: /],
    [['--until', '(.)\\1'], /is not a regular expression: invalid escape sequence/],
    [['--max', '2'], /--max counts the runs of --until/],
    [['--until', 'x', '--max', '0'], /--max "0" is not a number/],
    [['--until', 'x', '--retry', '1'], /--until and --retry contradict/],
    [['--until', 'x', '--detach'], /--until and --detach contradict/],
    [['--until', 'x', '--id', 'it'], /--until and --id contradict/],
    [['--until', 'x', '-i'], /--until and -i contradict/],
    [['--retry', '1', '-t'], /--retry and -t contradict/],
    [['--retry', '1', '--detach'], /--retry and --detach contradict/],
    [['--collect', '--detach'], /--collect and --detach contradict/],
  ])('refuses %j before anything runs', async (options, message) => {
    const { name, run, runs } = await atBuildlet();
    const result = await run(...options, name, 'sh', '-c', counting);
    expect(result).toMatchObject({ code: 125, stdout: '', stderr: expect.stringMatching(message) });
    expect(await runs()).toBe(0);
  });

  it('passes no standard input, and reports that', async () => {
    const { cli, name } = await atBuildlet();
    const argv = ['run', '--until', '^$', '--max', '1', name, 'cat'];
    const result = await cli(argv, { stdin: ['text'] });
    expect(result).toMatchObject({ code: 0, stdout: '' });
    expect(result.stderr).toContain('a command that may run again gets no standard input');
  });
});

describe('gomote run --retry', () => {
  it('runs a command that fails again, and reports which try passed', async () => {
    const { name, run } = await atBuildlet();
    const script = `${counting} echo try $N; exit $((N < 3 ? N : 0))`;
    expect(await run('--retry', '5', name, 'sh', '-c', script)).toEqual({
      code: 0,
      stdout: 'try 1\ntry 2\ntry 3\n',
      stderr: [
        'gomote: try 1 of 6 failed with exit status 1; trying again',
        'gomote: try 2 of 6 failed with exit status 2; trying again',
        'gomote: try 3 of 6 passed',
        '',
      ].join('\n'),
    });
  });

  it('ends with the status of the last try when none passes', async () => {
    const { name, run, runs } = await atBuildlet();
    const result = await run('--retry', '1', name, 'sh', '-c', `${counting} exit 2$N`);
    expect(result).toMatchObject({ code: 22 });
    expect(result.stderr).toContain('gomote: try 2 of 2 failed with exit status 22; none passed\n');
    expect(await runs()).toBe(2);
  });

  it('prints nothing for a command that passes at once', async () => {
    const { name, run } = await atBuildlet();
    expect(await run('--retry', '3', name, 'true')).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('gives each try its own --timeout', async () => {
    const { name, run } = await atBuildlet();
    const script = `${counting} test $N = 2 || exec sleep 1000`;
    const result = await run('--retry', '2', '--timeout', '2s', name, 'sh', '-c', script);
    expect(result).toMatchObject({ code: 0 });
    expect(result.stderr).toContain('gomote: try 1 of 3 ran out of time; trying again');
  });

  it('does not try again what cannot be started', async () => {
    const { name, run } = await atBuildlet();
    const result = await run('--retry', '3', name, 'no-such-command');
    expect(result).toMatchObject({ code: 127 });
    expect(result.stderr).not.toContain('try');
  });

  it('counts the tries in --status-json', async () => {
    const { cli, name, run } = await atBuildlet();
    const file = `${cli.directory}/status.json`;
    await run('--retry', '1', '--status-json', file, name, 'sh', '-c', `${counting} exit 3`);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({
      code: 3,
      origin: 'remote',
      tries: 2,
    });
  });
});
