// Labels of buildlets, and names that their users give them.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inDirectory, testCli } from '../helpers/cli.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const done = (stdout = '') => ({ code: 0, stdout, stderr: '' });

describe('labels', () => {
  it('are set, listed, and used to find and destroy buildlets', async () => {
    const cli = testCli();
    await cli([
      'create',
      '--count',
      '2',
      '--label',
      'os=linux',
      '--label',
      'branch=feature/x y',
      'local',
    ]);
    await cli(['create', '--label', 'os=windows', 'local']);
    await cli(['create', 'local']);
    expect(await cli(['list', '-q'])).toEqual(
      done('me-local-0\nme-local-1\nme-local-2\nme-local-3\n'),
    );
    expect(await cli(['list', '-q', '--label', 'os'])).toEqual(
      done('me-local-0\nme-local-1\nme-local-2\n'),
    );
    expect(await cli(['list', '-q', '-label=os=windows'])).toEqual(done('me-local-2\n'));
    expect(
      await cli(['list', '-q', '--label', 'os=linux', '--label', 'branch=feature/x y']),
    ).toEqual(done('me-local-0\nme-local-1\n'));
    expect(await cli(['list', '-q', '--label', 'os=linux', '--label', 'none'])).toEqual(done());
    const [first, , , last] = JSON.parse((await cli(['list', '--json'])).stdout);
    expect(first.labels).toEqual({ os: 'linux', branch: 'feature/x y' });
    expect(last).not.toHaveProperty('labels');
    expect((await cli(['list'], { isTerminal: true })).stdout).toMatch(
      /LABELS\n.*os=linux branch=feature\/x y\n/,
    );
    expect((await cli(['list'])).stdout).not.toContain('os=linux');
    expect(await cli(['destroy', '--label', 'os=linux'])).toMatchObject({ code: 0 });
    expect(await cli(['list', '-q'])).toEqual(done('me-local-2\nme-local-3\n'));
    expect(await cli(['destroy', '--label', 'nosuch=x'])).toEqual(done());
    expect(await cli(['destroy', '--label', 'os', 'me-local-3'])).toMatchObject({ code: 2 });
  });

  const refused: Record<string, readonly string[]> = {
    'no value': ['--label', 'os'],
    'no key': ['--label', '=linux'],
    'a key with a slash': ['--label', 'a/b=c'],
    'a key of __proto__': ['--label', '__proto__=c'],
    'a value with a control character': ['--label', 'a=\u001b[31m'],
    'a value that turns text around': ['--label', 'a=\u202ex'],
    'a value that is too long': ['--label', `a=${'x'.repeat(201)}`],
    'one key twice': ['--label', 'a=1', '--label', 'a=2'],
    'too many': Array.from({ length: 33 }, (_, i) => ['--label', `k${i}=1`]).flat(),
    'a name with a slash': ['--name', '../x'],
    'a name like those that gomote gives': ['--name', 'me-local-7'],
    'one name for several': ['--count', '2', '--name', 'web'],
  };
  for (const [title, options] of Object.entries(refused)) {
    it(`are refused: ${title}`, async () => {
      const cli = testCli();
      const { code, stdout, stderr } = await cli(['create', ...options, 'local']);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^gomote: .*; .*\n$/);
      expect(await cli(['list', '-q'])).toEqual(done());
    });
  }

  it('that somebody has damaged are not shown', async () => {
    const cli = testCli();
    const name = (await cli(['create', '--label', 'a=b', 'local'])).stdout.trim();
    const path = join(cli.directory, 'gomote', name, 'record.json');
    const record = JSON.parse(readFileSync(path, 'utf8'));
    record.labels = { a: 'b', c: '\u001b[31m', d: 7, 'x/y': 'z' };
    writeFileSync(path, JSON.stringify(record));
    expect(JSON.parse((await cli(['list', '--json'])).stdout)[0].labels).toEqual({ a: 'b' });
  });
});

describe('create --name', () => {
  it('gives a name by which every command finds the buildlet', async () => {
    const cli = testCli();
    inDirectory(temporaryDirectory());
    expect(await cli(['create', '--name', 'web', 'local'])).toEqual(done('me-local-0\n'));
    expect(await cli(['create', '--name', 'db', 'local'])).toEqual(done('me-local-1\n'));
    expect(await cli(['run', 'web', 'echo', 'hi'])).toEqual(done('hi\n'));
    expect(await cli(['run', 'local/web', 'echo', 'hi'])).toEqual(done('hi\n'));
    const both = await cli(['run', 'web,db', 'echo', 'hi']);
    expect(both.stdout.split('\n').sort()).toEqual(['', 'db| hi', 'web| hi']);
    await cli(['use', 'db']);
    expect(await cli(['run', 'web', 'true'])).toEqual(done());
    expect(await cli(['create', '--name', 'web', 'local'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('me-local-0 is named "web" already'),
    });
    await cli(['group', 'create', 'g']);
    expect(await cli(['--group', 'g', 'group', 'add', 'web'])).toEqual(done());
    expect(await cli(['--group', 'g', 'ping'])).toMatchObject({ code: 0 });
    expect(await cli(['destroy', 'web'])).toEqual(done());
    expect(await cli(['list', '-q'])).toEqual(done('me-local-1\n'));
    expect((await cli(['group', 'list'])).stdout).toContain('(none)');
    expect(await cli(['run', 'web', 'true'])).toMatchObject({ code: 125 });
  });

  it('names no buildlet when two have the name', async () => {
    const cli = testCli();
    for (let i = 0; i < 2; i++) await cli(['create', '--label', 'name=web', 'local']);
    expect(await cli(['ping', 'web'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('me-local-0, me-local-1 are all named "web"'),
    });
  });
});
