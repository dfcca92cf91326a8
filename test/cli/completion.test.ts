// What can stand at the cursor, and how bash is told.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bashReply, readLine } from '../../src/cli/completion/shell-line.ts';
import { inDirectory, testCli } from '../helpers/cli.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

describe('a line of bash', () => {
  it.each([
    ['gomote ', ['gomote'], ''],
    ['gomote run', ['gomote'], 'run'],
    ["gomote rm N 'a b' c", ['gomote', 'rm', 'N', 'a b'], 'c'],
    ['gomote rm N "a\\"b', ['gomote', 'rm', 'N'], 'a"b'],
    ['gomote rm N a\\ b', ['gomote', 'rm', 'N'], 'a b'],
    ["gomote rm N 'a\\", ['gomote', 'rm', 'N'], 'a\\'],
    ['gomote rm N a\\', ['gomote', 'rm', 'N'], 'a'],
    ['gomote rm N "$(id)', ['gomote', 'rm', 'N'], '$(id)'],
    ["gomote rm N a'b c'd", ['gomote', 'rm', 'N'], 'ab cd'],
  ])('%s is read without being expanded', (line, before, word) => {
    expect(readLine(line)).toMatchObject({ before, word });
  });

  const breaks = ' \t\n"\'><=;|&(:';
  it.each([
    ['', 'a b', 'a\\ b '],
    ['a\\ ', 'a b', 'a\\ b '],
    ['"a', 'a"$b', 'a\\"\\$b'],
    ["'a", "a'b", "a'\\''b"],
    ['"a', 'a"', 'a\\""'],
    ["'a", "a'", "a'\\'''"],
    ['--dir=s', '--dir=src', 'src '],
    ['B/N:s', 'B/N:s c', 's\\ c '],
    ['"a!', 'a!b', undefined],
    ["x'a b'c", 'xa bcd', 'xa\\ bcd '],
    ['a\\:b', 'a:bc', 'a:bc '],
  ])('%s becomes %s by %s', (raw, candidate, reply) => {
    expect(bashReply({ raw, breaks }, candidate, ' ')).toBe(reply);
  });
});

describe('gomote __complete', () => {
  async function lab() {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const ask = async (...words: string[]) => {
      const { code, stdout, stderr } = await cli(['__complete', 'zsh', ...words]);
      expect([code, stderr]).toEqual([0, '']);
      const [local, ...lines] = stdout.split('\n').slice(0, -1);
      return { local, values: lines.map((line) => line.split('\t')[0]) };
    };
    return { cli, name, ask };
  }

  it('completes what each place permits', async () => {
    const { cli, name, ask } = await lab();
    const other = (await cli(['create', 'local'])).stdout.trim();
    const rows: [string[], string[]][] = [
      [['des'], ['destroy']],
      [['help', 'des'], ['destroy']],
      [['__comp'], []],
      [['--backend', ''], ['local']],
      [
        ['--backend', 'local', 'ping', ''],
        [name, other],
      ],
      [
        ['ping', ''],
        [name, other],
      ],
      [['ping', name, ''], []],
      [['destroy', name, ''], [other]],
      [['push', `${name},`], [`${name},${other}`]],
      [['create', ''], ['local']],
      [
        ['create', '--isolation', ''],
        ['none', 'bubblewrap'],
      ],
      [['create', '--isolation=b'], ['--isolation=bubblewrap']],
      [['run', name, '--ver'], []],
      [
        ['run', '--ver'],
        ['--verbose', '--version'],
      ],
      [['kill', '-s', 'KI'], ['KILL']],
      [['pull', '--compress', 'z'], ['zstd']],
      [['nosuch', ''], []],
      [['ping', 'nosuch/'], []],
    ];
    for (const [words, values] of rows)
      expect([words, (await ask(...words)).values]).toEqual([words, values]);
    expect((await ask('put', name, '')).local).toBe('files');
    expect((await ask('push', name, '')).local).toBe('directories');
  });

  it('lists what is in a directory of the buildlet, and leaves out what a terminal would obey', async () => {
    const { cli, name, ask } = await lab();
    const work = (await cli(['run', name, 'pwd'])).stdout.trim();
    mkdirSync(join(work, 'src'));
    for (const odd of [
      'plain',
      '-rf',
      'new\nline',
      'esc\u001b[31m',
      'tab\tin',
      '.hidden',
      'a\u202eb',
    ]) {
      writeFileSync(join(work, odd), '');
    }
    expect((await ask('rm', name, '')).values.sort()).toEqual(['./-rf', 'plain', 'src/']);
    expect((await ask('rm', name, '.')).values).toEqual(['.hidden']);
    expect((await ask('ls', name, '')).values).toEqual(['src/']);
    expect((await ask('rm', name, 'nosuch/')).values).toEqual([]);
    expect((await ask('rm', 'nosuch', '')).values).toEqual([]);
    expect((await ask('rm', name, '../')).values).toEqual([]);
  });

  it("offers the jobs of the project's file, groups, and the words that an option takes", async () => {
    const { cli, name, ask } = await lab();
    const here = temporaryDirectory();
    inDirectory(here);
    expect((await ask('job', '')).values).toEqual([]);
    const jobs = '[jobs.test]\nrun = ["make"]\n[jobs.lint]\nrun = "make lint"\n';
    writeFileSync(join(here, '.gomote.toml'), jobs);
    await cli(['group', 'create', 'some']);
    const rows: [string[], string[]][] = [
      [
        ['job', ''],
        ['test', 'lint'],
      ],
      [['job', 'l'], ['lint']],
      [['job', 'test', ''], []],
      [['ping', '--group', 's'], ['some']],
      [
        ['group', ''],
        ['create', 'destroy', 'add', 'remove', 'list'],
      ],
      [['group', 'create', ''], []],
      [['group', 'destroy', ''], ['some']],
      [['group', 'add', ''], [name]],
      [['group', 'add', name, ''], []],
      [['group', 'remove', ''], [name]],
      [
        ['completion', ''],
        ['bash', 'zsh', 'fish', 'powershell'],
      ],
      [['once', '--on', ''], [name]],
      [
        ['logs', '--stream', 'std'],
        ['stdout', 'stderr'],
      ],
      [
        ['run', '--on-hangup', ''],
        ['kill', 'detach'],
      ],
    ];
    for (const [words, values] of rows)
      expect([words, (await ask(...words)).values]).toEqual([words, values]);
    expect((await ask('once', '--setup', '')).local).toBe('files');
    writeFileSync(join(here, '.gomote.toml'), 'not toml [');
    expect((await ask('job', '')).values).toEqual([]);
  });

  it('prints nothing about a configuration that is broken', async () => {
    const { cli, ask } = await lab();
    mkdirSync(join(cli.directory, 'config/gomote'), { recursive: true });
    writeFileSync(join(cli.directory, 'config/gomote/config.toml'), 'not toml [');
    expect((await ask('ping', '')).values).toEqual([]);
  });
});
