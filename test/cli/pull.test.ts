import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** A buildlet with a pushed tree, in which a command has changed and made files. */
async function scene() {
  const cli = testCli();
  const { stdout } = await cli(['create', 'local']);
  const name = stdout.trim();
  const top = temporaryDirectory();
  for (const file of ['a', 'b', 'c']) writeFileSync(join(top, file), 'pushed');
  await cli(['push', '--dest', 'd', name, top]);
  const script =
    'cd "$(dirname "$(find . -name a -path "*d/a" | head -n 1)")" && echo built >a && echo built >b && echo made >made';
  const ran = await cli(['run', '--dir', '.', name, 'sh', '-c', script]);
  expect(ran).toMatchObject({ code: 0 });
  return { cli, name, top, read: (file: string) => readFileSync(join(top, file), 'utf8') };
}

describe('gomote pull', () => {
  it('keeps what was edited here, names it, fetches the rest, and ends with 1', async () => {
    const { cli, name, top, read } = await scene();
    writeFileSync(join(top, 'a'), 'edited');
    const dry = await cli(['pull', '--changed', '--dry-run', name, 'd', top]);
    expect(dry).toMatchObject({ code: 1, stdout: 'b\nmade\n' });
    expect(dry.stderr).toContain(`${name}: would bring 2 files (11 B)\n`);
    expect(read('b')).toBe('pushed');
    const pulled = await cli(['pull', '--changed', name, 'd', top]);
    expect(pulled).toMatchObject({ code: 1, stdout: '' });
    expect(pulled.stderr).toMatch(/: 2 files pulled \(11 B\); .* on the wire\n/);
    expect(pulled.stderr).toContain(
      'gomote: a: changed here; everything else has come; --force overwrites, --keep-both writes NAME.remote beside it\n',
    );
    expect([read('a'), read('b'), read('made')]).toEqual(['edited', 'built\n', 'made\n']);
    const both = await cli(['pull', '--changed', '--keep-both', name, 'd', top]);
    expect(both).toMatchObject({ code: 0 });
    expect(both.stderr).toContain(`${name}: kept both: a.remote\n`);
    expect([read('a'), read('a.remote')]).toEqual(['edited', 'built\n']);
    writeFileSync(join(top, 'a.remote'), 'mine');
    expect(await cli(['pull', '--changed', '--keep-both', name, 'd', top])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'a: changed here; everything else has come; --force overwrites, or move away what is called NAME.remote here\n',
      ),
    });
    expect(read('a.remote')).toBe('mine');
    const forced = await cli(['pull', '--changed', '--force', '--json', name, 'd', top]);
    expect(forced).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(forced.stdout)).toMatchObject({
      name,
      files: 1,
      kept: [],
      seconds: expect.any(Number),
    });
    expect(read('a')).toBe('built\n');
    const again = await cli(['pull', '--changed', name, 'd', top]);
    expect(again).toMatchObject({ code: 0, stderr: `${name}: nothing new to pull\n` });
  });

  it('fails for a directory that does not exist, also when only changes are requested', async () => {
    const { cli, name } = await scene();
    const to = temporaryDirectory();
    for (const options of [
      [],
      ['--changed'],
      ['--changed', '--dry-run'],
      ['--dry-run'],
      ['--force'],
    ]) {
      const { code, stderr } = await cli(['pull', ...options, name, 'nosuch', to]);
      expect([options, code, stderr]).toEqual([options, 1, expect.stringContaining('nosuch')]);
    }
    for (const argv of [
      ['get', name, 'nosuch', join(to, 'x')],
      ['gettar', '--dir', 'nosuch', '-o', join(to, 'x'), name],
      ['ls', name, 'nosuch'],
    ]) {
      const { code, stderr } = await cli(argv);
      expect([argv, code, stderr]).toEqual([argv, 1, expect.stringContaining('nosuch')]);
    }
  });

  it('refuses options that contradict each other', async () => {
    const cli = testCli();
    const { code, stderr } = await cli(['pull', '--force', '--keep-both', 'x']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('contradict')]);
  });

  it('reports which names it leaves out, and how to get them', async () => {
    const { cli, name, top } = await scene();
    mkdirSync(join(top, 'sub'));
    writeFileSync(join(top, '.gomoteignore'), 'made\n');
    const left = await cli(['pull', '--changed', name, 'd', top]);
    expect(left.stderr).toContain(
      `${name}: left out, for it is ignored here: made; see --no-ignore\n`,
    );
    const { code } = await cli(['pull', '--changed', '--no-ignore', name, 'd', top]);
    expect([code, readFileSync(join(top, 'made'), 'utf8')]).toEqual([0, 'made\n']);
  });
});
