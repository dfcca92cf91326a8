// The times at which runs wrote their output.
import { describe, expect, it } from 'vitest';
import { LineEditor } from '../../../src/cli/run/line-editor.ts';
import { Silences } from '../../../src/cli/run/silences.ts';
import { testCli } from '../../helpers/cli.ts';

async function atBuildlet() {
  const cli = testCli();
  const name = (await cli(['create', 'local'])).stdout.trim();
  const run = (id: string, script: string, ...options: string[]) =>
    cli(['run', '--id', id, ...options, name, 'sh', '-c', script]);
  const logs = (...args: string[]) => cli(['logs', ...args.slice(0, -1), name, ...args.slice(-1)]);
  return { cli, name, run, logs };
}

const stamp = String.raw`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z`;

/** Lines with their times in ms. */
const timed = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): [number, string] => [Date.parse(line.slice(0, 24)), line.slice(25)]);

const texts = (text: string) => timed(text).map(([, line]) => line);

describe('gomote run --timestamps', () => {
  it('begins each line with the time at which the line began', async () => {
    const { run } = await atBuildlet();
    const before = Date.now();
    const script = 'echo a; sleep 0.5; printf b; sleep 0.5; echo c; echo d >&2';
    const { stdout, stderr } = await run('it', script, '--timestamps');
    expect(stdout).toMatch(new RegExp(`^${stamp} a\n${stamp} bc\n$`));
    expect(stderr).toMatch(new RegExp(`^${stamp} d\n$`));
    const [a = 0, b = 0] = timed(stdout).map(([at]) => at);
    const [d = 0] = timed(stderr).map(([at]) => at);
    expect(a).toBeGreaterThanOrEqual(before - 1);
    expect(b - a).toBeGreaterThanOrEqual(450);
    expect(d - b).toBeGreaterThanOrEqual(450);
    expect(d).toBeLessThanOrEqual(Date.now() + 1);
  });

  it('prints the same as logs --timestamps later', async () => {
    const { run, logs } = await atBuildlet();
    const { stdout } = await run(
      'it',
      'for i in 1 2 3; do echo $i; sleep 0.2; done',
      '--timestamps',
    );
    expect((await logs('--timestamps', 'it')).stdout).toBe(stdout);
    expect((await logs('--timestamps', '--follow', 'it')).stdout).toBe(stdout);
  });

  it('prints the time of each line of long output', async () => {
    const { run, logs } = await atBuildlet();
    await run('it', 'seq 400000; sleep 0.3; echo last');
    const lines = timed((await logs('--timestamps', 'it')).stdout);
    expect(lines).toHaveLength(400_001);
    const isRight = ([at, text]: [number, string], i: number): boolean =>
      at >= (lines[i - 1]?.[0] ?? 0) && text === (i < 400_000 ? String(i + 1) : 'last');
    expect(lines.find((line, i) => !isRight(line, i))).toBeUndefined();
    expect((lines.at(-1)?.[0] ?? 0) - (lines.at(-2)?.[0] ?? 0)).toBeGreaterThanOrEqual(250);
    expect(texts((await logs('--timestamps', '--tail', '2', 'it')).stdout)).toEqual([
      '400000',
      'last',
    ]);
  });

  it.each([
    [['--timestamps', '--until', 'x'], /--until and --timestamps contradict/],
    [['--timestamps', '-t'], /-t and --timestamps contradict/],
    [['--timestamps', '--detach'], /--timestamps and --detach contradict/],
  ])('refuses %j', async (options, message) => {
    const { cli, name } = await atBuildlet();
    const result = await cli(['run', ...options, name, 'true']);
    expect(result).toMatchObject({ code: 125, stderr: expect.stringMatching(message) });
  });
});

describe('gomote logs', () => {
  const script = 'echo one; echo two >&2; sleep 1; echo three; printf four';

  it.each([
    [['--stream', 'stderr'], '', 'two\n'],
    [['--stream', 'stdout'], 'one\nthree\nfour', ''],
    [['--grep', '^t'], 'three\n', 'two\n'],
    [['--grep', 'o'], 'one\nfour', 'two\n'],
    [['--grep', 'o', '--stream', 'stdout', '--tail', '1'], 'four', ''],
    [['--since', '0'], '', ''],
    [['--since', '1h'], 'one\nthree\nfour', 'two\n'],
    [['--until', '2001-01-01'], '', ''],
    [['--until', '2999-01-01T00:00:00Z', '--grep', 'e$'], 'one\nthree\n', ''],
  ])('%j prints only that', async (options, stdout, stderr) => {
    const { run, logs } = await atBuildlet();
    await run('it', script);
    expect(await logs(...options, 'it')).toEqual({ code: 0, stdout, stderr });
  });

  it('prints what was written between two moments', async () => {
    const { run, logs } = await atBuildlet();
    const lines = timed((await run('it', script, '--timestamps')).stdout);
    const middle = new Date((lines[0]?.[0] ?? 0) + 500).toISOString();
    expect(await logs('--since', middle, 'it')).toMatchObject({
      stdout: 'three\nfour',
      stderr: '',
    });
    expect(await logs('--until', middle, 'it')).toMatchObject({ stdout: 'one\n', stderr: 'two\n' });
  });

  it('--slow prints the longest silences and the line before each', async () => {
    const { run, logs } = await atBuildlet();
    await run('it', 'sleep 0.3; echo start; echo linking; sleep 1; echo test; sleep 0.6');
    const { stdout } = await logs('--slow', 'it');
    const rows = stdout
      .trim()
      .split('\n')
      .map((row) => row.split('\t'));
    expect(rows.map(([, , line]) => line)).toEqual(['linking', 'test', '(its start)']);
    for (const [silent, since] of rows) {
      expect(silent).toMatch(/^[0-9]+\.[0-9]s$/);
      expect(since).toMatch(new RegExp(`^${stamp}$`));
    }
  });

  it.each([
    [['--since', 'yesterday'], /--since "yesterday" is not a duration/],
    [['--since', '2026-13-45'], /--since "2026-13-45" is not a time/],
    [['--grep', '('], /--grep "\(" is not a regular expression/],
    [['--stream', 'both'], /--stream "both" is neither/],
    [['--slow', '--follow'], /--slow and --follow contradict/],
    [['--verify', 'x', '--timestamps'], /--verify and --timestamps contradict/],
  ])('refuses %j', async (options, message) => {
    const { run, logs } = await atBuildlet();
    await run('it', 'true');
    const result = await logs(...options, 'it');
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(message);
  });
});

describe('the lines with their times', () => {
  const at = Date.parse('2026-01-02T03:04:05.678Z');

  it('have the time of their first byte, however they arrive', () => {
    const editor = new LineEditor({ timestamps: true });
    const pieces: [string, number][] = [
      ['a', at],
      ['b\nc\n', at + 1],
      ['\n', at + 2],
      ['d', at + 3],
    ];
    const shown = pieces.map(([text, ms]) =>
      editor.edit(Buffer.from(text), 'stdout', ms).toString(),
    );
    expect(shown.join('') + editor.rest('stdout').toString()).toBe(
      [
        '2026-01-02T03:04:05.678Z ab',
        '2026-01-02T03:04:05.679Z c',
        '2026-01-02T03:04:05.680Z ',
        '2026-01-02T03:04:05.681Z d',
      ].join('\n'),
    );
    expect(editor.isGuessed).toBe(false);
  });

  it('have the time at which they arrive when no other is known', () => {
    const editor = new LineEditor({ timestamps: true });
    expect(editor.edit(Buffer.from('a\n'), 'stdout', undefined).toString()).toMatch(
      new RegExp(`^${stamp} a\n$`),
    );
    expect(editor.isGuessed).toBe(true);
  });

  it('are not held back for ever when one has no end', () => {
    const grep = { test: () => true };
    const editor = new LineEditor({ grep });
    let size = 0;
    for (let i = 0; i < 100; i++) {
      size += editor.edit(Buffer.alloc(10_000, 'x'), 'stdout', at).length;
    }
    expect(size + editor.rest('stdout').length).toBe(1_000_000);
    expect(size).toBeGreaterThan(900_000);
  });
});

describe('silences', () => {
  it('are reported with the line before, also one that was written in pieces', () => {
    const silences = new Silences(1_000);
    silences.take(Buffer.from('first\nsec'), 'stdout', 1_000);
    silences.take(Buffer.from('ond\n'), 'stdout', 1_010);
    silences.take(Buffer.from('err\n'), 'stderr', 3_010);
    silences.take(Buffer.from('end'), 'stdout', 3_510);
    silences.end(3_600);
    expect(silences.longest).toEqual([
      { durationMs: 2_000, sinceAtMs: 1_010, line: 'second' },
      { durationMs: 500, sinceAtMs: 3_010, line: 'err' },
    ]);
  });
});
