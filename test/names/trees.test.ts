import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { at, makeFile, makeOddTree, oddPaths, readOddTree } from '../helpers/odd-names.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

async function buildlet() {
  const cli = testCli();
  const name = (await cli(['create', 'local'])).stdout.trim();
  const { stdout } = await cli(['run', name, 'pwd']);
  return { cli, name, workDir: stdout.trim() };
}

describe('names that are any bytes', () => {
  it.each(['auto', 'none', 'gzip'])(
    'are transferred by a push and a pull, packed by %s',
    async (how) => {
      const { cli, name, workDir } = await buildlet();
      const top = temporaryDirectory();
      makeOddTree(top);
      const compress = `--compress=${how}`;
      expect(await cli(['push', compress, '--no-ignore', '--dest', 'd', name, top])).toMatchObject({
        code: 0,
        stderr: expect.stringContaining(`${oddPaths.length} files `),
      });
      expect(readOddTree(join(workDir, 'd'))).toEqual(readOddTree(top));
      expect(await cli(['push', '--no-ignore', '--dest', 'd', name, top])).toMatchObject({
        stderr: `${name}: nothing has changed\n`,
      });
      expect(await cli(['diff', name])).toMatchObject({ code: 0, stdout: '' });
      const back = join(temporaryDirectory(), 'back');
      expect(await cli(['pull', compress, name, 'd', back])).toMatchObject({ code: 0 });
      expect(readOddTree(back)).toEqual(readOddTree(top));
    },
  );

  it('are changed and removed by a second push, and a second pull fetches only those', async () => {
    const { cli, name, workDir } = await buildlet();
    const top = temporaryDirectory();
    makeOddTree(top);
    await cli(['push', '--dest', 'd', name, top]);
    const back = temporaryDirectory();
    await cli(['pull', name, 'd', back]);
    for (const path of oddPaths.slice(0, 8)) writeFileSync(at(top, path), 'changed');
    for (const path of oddPaths.slice(8, 12)) rmSync(at(top, path));
    const second = await cli(['push', '--dest', 'd', name, top]);
    expect(second).toMatchObject({ code: 0, stderr: expect.stringContaining('4 removed') });
    expect(readOddTree(join(workDir, 'd'))).toEqual(readOddTree(top));
    expect(await cli(['pull', '--force', name, 'd', back])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('8 files pulled'),
    });
  });

  it('are fetched by a pull --changed if a command has made them', async () => {
    const { cli, name, workDir } = await buildlet();
    const top = temporaryDirectory();
    writeFileSync(join(top, 'plain'), 'plain');
    await cli(['push', '--dest', 'd', name, top]);
    for (const path of oddPaths) makeFile(join(workDir, 'd'), path);
    const diff = await cli(['diff', '--json', name]);
    expect(diff.code).toBe(0);
    expect(await cli(['pull', '--changed', name, 'd', top])).toMatchObject({ code: 0 });
    expect(readOddTree(top)).toEqual(readOddTree(join(workDir, 'd')));
  });

  it('are left out of a push if git ignores them', async () => {
    const { cli, name, workDir } = await buildlet();
    const top = temporaryDirectory();
    execFileSync('git', ['init', '-q', top]);
    writeFileSync(join(top, '.gitignore'), '*.tmp\nout*/\n');
    mkdirSync(at(top, 'out\xe9'));
    for (const path of ['caf\xe9.tmp', 'caf\xe9', 'out\xe9/f', 'ok']) makeFile(top, path);
    expect(await cli(['push', '--dest', 'd', name, top])).toMatchObject({ code: 0 });
    expect(Object.keys(readOddTree(join(workDir, 'd')))).toEqual(['.gitignore', 'caf\xe9', 'ok']);
  });

  it('are left out also for a repository in such a directory', async () => {
    const { cli, name, workDir } = await buildlet();
    const top = temporaryDirectory();
    execFileSync('git', ['init', '-q', top]);
    const inner = join(temporaryDirectory(), 'inner');
    execFileSync('git', ['init', '-q', inner]);
    writeFileSync(join(inner, '.gitignore'), '*.tmp\n');
    renameSync(inner, at(top, 'r\xe9'));
    for (const path of ['r\xe9/caf\xe9.tmp', 'r\xe9/ok']) makeFile(top, path);
    expect(await cli(['push', '--dest', 'd', name, top])).toMatchObject({ code: 0 });
    const sent = Object.keys(readOddTree(join(workDir, 'd')));
    expect(sent.sort()).toEqual(['r\xe9/.gitignore', 'r\xe9/ok']);
  });

  it.each([
    ['*\xe9.tmp', ['a.tmp', 'caf\xe9']],
    ['caf?', ['a.tmp', 'caf\xe9.tmp']],
    ['caf*', ['a.tmp']],
    ['caf[!x]', ['a.tmp', 'caf\xe9.tmp']],
  ])('are left out of a push that the line %j of .gomoteignore names', async (line, left) => {
    const { cli, name, workDir } = await buildlet();
    const top = temporaryDirectory();
    for (const path of ['caf\xe9.tmp', 'caf\xe9', 'a.tmp']) makeFile(top, path);
    writeFileSync(join(top, '.gomoteignore'), Buffer.from(`${line}\n`, 'latin1'));
    expect(await cli(['push', '--dest', 'd', name, top])).toMatchObject({ code: 0 });
    expect(Object.keys(readOddTree(join(workDir, 'd'))).sort()).toEqual(['.gomoteignore', ...left]);
  });

  it('do not stop a pull when a file is too deep for a path here', async () => {
    const { cli, name, workDir } = await buildlet();
    mkdirSync(join(workDir, 'p'));
    writeFileSync(join(workDir, 'p/plain'), 'plain');
    writeFileSync(join(workDir, 'p/zz'), 'last');
    symlinkSync('plain', join(workDir, 'p/link'));
    await cli(['run', '--dir', join(workDir, 'p'), name, 'bash', '-c', deep]);
    const to = temporaryDirectory();
    writeFileSync(join(to, 'mine'), '');
    const pulled = await cli(['pull', name, 'p', to]);
    expect(pulled).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('file name too long'),
    });
    expect(readFileSync(join(to, 'plain'), 'utf8')).toBe('plain');
    expect(readFileSync(join(to, 'zz'), 'utf8')).toBe('last');
    expect(readlinkSync(join(to, 'link'))).toBe('plain');
  });

  // Root may read everything.
  it.skipIf(process.getuid?.() === 0).each(['all at once', 'by a plan'])(
    'do not stop a pull or a comparison when a file there cannot be read, %s',
    async (how) => {
      const { cli, name, workDir } = await buildlet();
      await cli(['run', name, 'sh', '-c', 'mkdir -p p/shut; echo > p/plain; chmod 0 p/shut']);
      const to = temporaryDirectory();
      if (how === 'by a plan') writeFileSync(join(to, 'mine'), '');
      const pulled = await cli(['pull', name, 'p', to]);
      await cli(['run', name, 'chmod', '755', join(workDir, 'p/shut')]);
      expect(pulled).toMatchObject({ code: 1, stderr: expect.stringContaining('shut') });
      expect(readFileSync(join(to, 'plain'), 'utf8')).toBe('\n');
    },
  );
});

/** Makes directories deeper than a path can name. */
const deep =
  'n=$(printf "d%.0s" $(seq 250)); for i in $(seq 20); do mkdir $n; cd $n; done; echo x > f';
