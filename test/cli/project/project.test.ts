import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ending, workshop } from '../../helpers/programs.ts';

function project(text?: string, files: Record<string, string> = {}) {
  const shop = workshop();
  const top = join(shop.directory, 'project');
  mkdirSync(join(top, 'sub'), { recursive: true });
  if (text !== undefined) writeFileSync(join(top, '.gomote.toml'), text);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(top, name), content);
  const gomote = async (...args: string[]) => {
    const child = shop.start('gomote', args, { cwd: join(top, 'sub') });
    const { code, stdout, stderr } = await ending(child);
    return { code, stdout: stdout.toString(), stderr };
  };
  return { ...shop, top, gomote };
}

describe('gomote once in a project', () => {
  it('pushes the directory of its file, also from below it, as the file says', async () => {
    const { gomote } = project('dest = "there"\nexclude = ["b"]', { a: 'a', b: 'b' });
    const { stdout } = await gomote('once', '--', 'sh', '-c', 'basename "$PWD"; ls');
    expect(stdout).toBe('there\na\nsub\n');
  });

  it('prefers what is typed, and adds patterns and variables', async () => {
    const text = 'dest = "there"\nexclude = ["b"]\nkeep = "always"\n[env]\nA = "1"\nB = "1"';
    const { gomote } = project(text, { a: 'a', b: 'b', c: 'c' });
    const args = ['--backend', 'local', '--keep', 'never', '--dest', 'here', '--exclude', 'c'];
    const script = 'basename "$PWD"; ls; echo "$A $B"';
    const { stdout } = await gomote('once', ...args, '-e', 'B=2', '--', 'sh', '-c', script);
    expect(stdout).toBe('here\na\nsub\n1 2\n');
    expect((await gomote('list')).stdout).toBe('');
  });

  it('keeps and fetches what the file says', async () => {
    const { gomote, top } = project('keep = "always"\nartifacts = ["r"]');
    expect(await gomote('once', '--', 'sh', '-c', 'echo 1 > r')).toMatchObject({ code: 0 });
    expect(existsSync(join(top, 'r'))).toBe(true);
    expect((await gomote('list')).stdout).not.toBe('');
  });

  it.each([
    ['an unknown key', 'typ = "x"', 'unknown key typ; did you mean "type"?'],
    ['an unknown key of a job', '[jobs.x]\nrun = "y"\nkep = "never"', 'unknown key jobs.x.kep'],
    ['a job without a command', '[jobs.x]', 'jobs.x.run'],
    ['no TOML', 'x', '.gomote.toml:1'],
    ['a bad value', 'keep = "sometimes"', 'keep: "sometimes"'],
    ['two that contradict', '[jobs.x]\nrun = "y"\ncount = 2\nshard = 2', 'count and shard'],
  ])('names the place of %s', async (_what, text, said) => {
    const { gomote } = project(text);
    const ended = await gomote('once', '--', 'true');
    expect([ended.code, ended.stderr]).toEqual([125, expect.stringContaining(said)]);
  });

  it('gives the words after a job to its last command, also after a newline', async () => {
    const { gomote } = project(`[jobs.x]\nrun = '''\necho first\necho last\n'''`);
    const ended = await gomote('job', '--backend', 'local', 'x', 'a  b', '-v');
    expect(ended).toMatchObject({ code: 0, stdout: 'first\nlast a  b -v\n' });
  });

  it('leaves push and run unchanged', async () => {
    const { gomote, create, top } = project('dest = "there"\nexclude = ["a"]\n[env]\nA = "1"', {
      a: 'a',
    });
    const name = await create();
    await gomote('push', name, top);
    const { stdout } = await gomote('run', '--dir', 'project', name, 'sh', '-c', 'ls; echo "[$A]"');
    expect(stdout).toBe('a\nsub\n[]\n');
  });
});

const jobs = `
[env]
A = "1"
[jobs.hello]
run = "echo hello $A $B"
description = "says hello"
[jobs.hello.env]
B = "2"
[jobs.list]
run = ["printf", "%s."]
[jobs.status]
run = "if true; then exit 7; fi"
`;

describe('gomote job', () => {
  it('lists the jobs', async () => {
    const { gomote } = project(jobs);
    expect((await gomote('job')).stdout).toBe(
      'hello\\tsays hello\\nlist\\tprintf %s.\\nstatus\\tif true; then exit 7; fi\\n'
        .replaceAll('\\t', '\t')
        .replaceAll('\\n', '\n'),
    );
    expect(JSON.parse((await gomote('job', '--json')).stdout).jobs).toHaveLength(3);
  });

  it.each([
    [['hello'], 0, 'hello 1 2\n'],
    [['hello', 'and', 'more words'], 0, 'hello 1 2 and more words\n'],
    [['list', 'a b', '--flag'], 0, 'a b.--flag.'],
    [['status'], 7, ''],
  ])('runs %j', async (words, code, stdout) => {
    const { gomote } = project(jobs);
    expect(await gomote('job', '--backend', 'local', ...words)).toMatchObject({ code, stdout });
  });

  it.each([
    ['one that is not there', ['job', 'helo'], 'did you mean "hello"?'],
    ['a name of the language', ['job', 'constructor'], 'no job "constructor"'],
  ])('refuses %s', async (_what, args, said) => {
    const { gomote } = project(jobs);
    const ended = await gomote(...args);
    expect([ended.code, ended.stderr]).toEqual([125, expect.stringContaining(said)]);
  });

  it('needs a project', async () => {
    const ended = await workshop().gomote('job', 'x');
    expect([ended.code, ended.stderr]).toEqual([
      125,
      expect.stringContaining('gomote init writes one'),
    ]);
  });
});

describe('gomote init', () => {
  it.each<[string, Record<string, string>, string[]]>([
    ['an empty directory', {}, ['# [jobs.test]']],
    [
      'package.json',
      { 'package.json': '{"scripts":{"test":"x","start":"y"}}', 'package-lock.json': '' },
      ['[jobs.test]', 'run = "npm ci && npm run test"', 'exclude = ["node_modules"]'],
    ],
    [
      'pnpm',
      { 'package.json': '{"scripts":{"lint":"x"}}', 'pnpm-lock.yaml': '' },
      ['pnpm run lint'],
    ],
    ['go.mod', { 'go.mod': 'module x' }, ['run = "go test ./..."', '[jobs.build]']],
    ['Cargo.toml', { 'Cargo.toml': '' }, ['run = "cargo test"', '"target"']],
    ['pyproject.toml', { 'pyproject.toml': '' }, ['python3 -m pytest']],
    ['a Makefile', { Makefile: 'test: a\n\techo\nX := 1\n.PHONY: test\n' }, ['run = "make test"']],
    [
      'two of them',
      { 'go.mod': '', Makefile: 'test:\n' },
      ['[jobs.test]', '[jobs.test-makefile]', 'run = "make test"'],
    ],
    ['a package.json that is none', { 'package.json': '{' }, ['# [jobs.test]']],
  ])('writes a file for %s that can be read', async (_what, files, wanted) => {
    const { gomote, top, run } = project(undefined, files);
    await run('git', 'init', '--quiet', top);
    expect(await gomote('init')).toMatchObject({ code: 0, stdout: `${top}/.gomote.toml\n` });
    const text = readFileSync(join(top, '.gomote.toml'), 'utf8');
    for (const line of wanted) expect(text).toContain(line);
    expect(await gomote('job')).toMatchObject({ code: 0 });
  });

  it('never overwrites a file, nor follows a link', async () => {
    const { gomote, top, run, directory } = project('dest = "x"');
    await run('git', 'init', '--quiet', top);
    const ended = await gomote('init');
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('is there already')]);
    expect(readFileSync(join(top, '.gomote.toml'), 'utf8')).toBe('dest = "x"');
    const other = project();
    await other.run('git', 'init', '--quiet', other.top);
    symlinkSync(join(directory, 'elsewhere'), join(other.top, '.gomote.toml'));
    expect((await other.gomote('init')).code).toBe(1);
    expect(existsSync(join(directory, 'elsewhere'))).toBe(false);
  });
});
