import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

const created = async (cli: ReturnType<typeof testCli>, count = 1): Promise<string[]> => {
  const results = await Promise.all(Array.from({ length: count }, () => cli(['create', 'local'])));
  return results.map(({ stdout }) => stdout.trim());
};

describe('gomote push', () => {
  it('pushes a directory, prints a summary, and pushes nothing the second time', async () => {
    const cli = testCli();
    const [name = ''] = await created(cli);
    const top = temporaryDirectory();
    writeFileSync(join(top, 'f'), 'hello');
    const first = await cli(['push', '--dest', 'd', name, top]);
    expect(first).toMatchObject({ code: 0, stdout: '' });
    expect(first.stderr).toMatch(/^1 file to \S+:d \(5 B\); \d+ B on the wire\n$/);
    const second = await cli(['push', '--dest=d', name, top]);
    expect(second).toMatchObject({ code: 0, stderr: `${name}: nothing has changed\n` });
    expect(await cli(['run', name, 'cat', 'd/f'])).toMatchObject({ stdout: 'hello' });
  });

  it('prints its plan with -dry-run, in the spelling of Go’s gomote', async () => {
    const cli = testCli();
    const [name = ''] = await created(cli);
    const top = temporaryDirectory();
    mkdirSync(join(top, 'd'));
    writeFileSync(join(top, 'd/f'), 'hello');
    writeFileSync(join(top, 'g'), '');
    await cli(['push', '--dest', 'x', name, top]);
    rmSync(join(top, 'g'));
    writeFileSync(join(top, 'd/f'), 'other');
    const dry = await cli(['push', '-dry-run', '--dest', 'x', name, top]);
    expect(dry).toMatchObject({
      code: 0,
      stdout: 'remove g\nsend d/f\n',
      stderr: `${name}:x: would send 1 file (5 B), remove 1\n`,
    });
    expect(await cli(['run', name, 'cat', 'x/d/f'])).toMatchObject({ stdout: 'hello' });
  });

  it('pushes to several buildlets, and fails when one of them does', async () => {
    const cli = testCli();
    const names = await created(cli, 2);
    const top = temporaryDirectory();
    writeFileSync(join(top, 'f'), 'hello');
    const result = await cli(['push', '--json', '--dest', 'd', `${names.join(',')},nobody`, top]);
    expect(result.code).toBe(1);
    expect(JSON.parse(result.stderr)).toMatchObject({
      code: 'ERR_UNKNOWN_BUILDLET',
      message: 'no local buildlet "nobody"',
    });
    const lines = result.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject(names.map((name) => ({ name, files: 1, bytes: 5 })));
    for (const name of names) {
      expect(await cli(['run', name, 'cat', 'd/f'])).toMatchObject({ stdout: 'hello' });
    }
  });

  it('sends everything that is not excluded', async () => {
    const cli = testCli();
    const [name = ''] = await created(cli);
    const top = temporaryDirectory();
    for (const file of ['a.o', 'b.c', 'c~', 'keep.o', '.gomoteignore']) {
      writeFileSync(join(top, file), '*.o\n!keep.o\n');
    }
    const plan = async (...options: string[]) =>
      (await cli(['push', '--dry-run', '--dest', 'd', ...options, name, top])).stdout;
    expect(await plan()).toBe('send .gomoteignore\nsend b.c\nsend keep.o\n');
    expect(await plan('--exclude', '/b.*', '--exclude', 'keep.o')).toBe('send .gomoteignore\n');
    expect((await plan('--no-ignore')).split('\n')).toHaveLength(6);
  });

  it('reports wrong arguments', async () => {
    const cli = testCli();
    const top = temporaryDirectory();
    expect(await cli(['push', 'x', join(top, 'absent')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('absent": no such file or directory'),
    });
    expect(await cli(['push', '--dest', '../up', 'x', top])).toMatchObject({ code: 1 });
    expect(await cli(['push', '--compress', 'rar', 'x', top])).toMatchObject({ code: 2 });
    expect(await cli(['push', ',', top])).toMatchObject({ code: 2 });
    expect(await cli(['push', '--watch', '--dry-run', 'x', top])).toMatchObject({ code: 2 });
  });

  it('keeps its cache in the user’s cache directory', async () => {
    const cli = testCli();
    const [name = ''] = await created(cli);
    const top = temporaryDirectory();
    const cache = temporaryDirectory();
    writeFileSync(join(top, 'f'), 'hello');
    await cli(['push', name, top], { environment: { XDG_CACHE_HOME: cache } });
    const saved = readdirSync(join(cache, 'gomote')).filter((file) => file.startsWith('push-'));
    expect(saved).toEqual([expect.stringMatching(/^push-.*\.sha256$/)]);
    const text = readFileSync(join(cache, 'gomote', saved[0] ?? ''), 'latin1');
    expect(text).toContain(createHash('sha256').update('hello').digest('hex'));
  });

  it('names what it could not send, sends the rest, and fails', async () => {
    const cli = testCli();
    const [name = ''] = await created(cli);
    const top = temporaryDirectory();
    symlinkSync('/usr/bin/python3', join(top, 'python3'));
    symlinkSync('/usr/bin/env', join(top, 'env'));
    mkdirSync(join(top, '.gomote'));
    writeFileSync(join(top, 'f'), 'hello');
    const several = await cli(['push', '--json', '--dest', 'd', name, top]);
    expect(several.code).toBe(1);
    expect(JSON.parse(several.stdout)).toMatchObject({ files: 1, unsent: ['env', 'python3'] });
    expect(several.stderr).not.toContain('.gomote');
    expect(several.stderr).toContain('2 paths were not sent');
    rmSync(join(top, 'env'));
    expect(await cli(['push', '--dest', 'd', name, top])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /not sent: python3: the link to \/usr\/bin\/python3 leads out of the work directory/,
      ),
    });
    const excluded = await cli(['push', '--exclude', 'python3', '--dest', 'd', name, top]);
    expect(excluded).toMatchObject({ code: 0, stderr: `${name}: nothing has changed\n` });
    expect(await cli(['run', name, 'cat', 'd/f'])).toMatchObject({ stdout: 'hello' });
  });
});
