import { chmodSync, mkdirSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** Commands run in this directory, to the end of the test. */
function enter(directory: string): void {
  const before = process.cwd();
  process.chdir(directory);
  onTestFinished(() => process.chdir(before));
}

/** A buildlet, and a tree with a script that prints where it runs; the current directory is that tree. */
async function inTree() {
  const cli = testCli();
  const name = (await cli(['create', 'local'])).stdout.trim();
  const workDir = (await cli(['run', name, 'pwd'])).stdout.trim();
  const top = join(realpathSync(temporaryDirectory()), 'hello-2.10');
  mkdirSync(join(top, 'sub'), { recursive: true });
  for (const script of ['where', 'sub/where']) {
    writeFileSync(join(top, script), '#!/bin/sh\npwd\n');
    chmodSync(join(top, script), 0o755);
  }
  enter(top);
  const where = async (...args: string[]) => {
    const { code, stdout, stderr } = await cli(['run', ...args]);
    return code === 0 ? stdout.trim() : `${code} ${stderr}`;
  };
  return { cli, name, workDir, top, where };
}

describe('the default directory of a run', () => {
  it('is where this tree was pushed, also for a shell, and from below it', async () => {
    const { cli, name, workDir, top, where } = await inTree();
    expect(await where(name, 'pwd')).toBe(workDir);
    const pushed = await cli(['push', name]);
    expect(pushed.stderr).toMatch(new RegExp(`^2 files to ${name}:hello-2\\.10 \\(`));
    const there = join(workDir, 'hello-2.10');
    expect(await where(name, 'pwd')).toBe(there);
    expect(await where(name, './where')).toBe(there);
    expect(await where(name, './sub/where')).toBe(there);
    expect(await where(name, '/bin/pwd')).toBe(there);
    expect(await where('--sh', './where', name)).toBe(there);
    expect((await cli(['shell', name, './where'])).stdout.trim()).toBe(there);
    enter(join(top, 'sub'));
    expect(await where(name, './where')).toBe(there);
    await cli(['push', '--dest', 'other', name, top]);
    expect(await where(name, './where')).toBe(join(workDir, 'other'));
    expect(await where(`local/${name}`, './where')).toBe(join(workDir, 'other'));
  });

  it('is the work directory with --dir ., and DIR with --dir DIR, where ./CMD is found, too', async () => {
    const { cli, name, workDir, where } = await inTree();
    await cli(['push', name]);
    expect(await where('--dir', '.', name, 'pwd')).toBe(workDir);
    expect(await where('-dir', 'hello-2.10/sub', name, './where')).toBe(
      join(workDir, 'hello-2.10/sub'),
    );
  });

  it('is as in Go’s gomote with a command by its path in the work directory', async () => {
    const { cli, name, workDir, where } = await inTree();
    await cli(['push', name]);
    const sub = join(workDir, 'hello-2.10/sub');
    expect(await where(name, 'hello-2.10/sub/where')).toBe(sub);
    enter(temporaryDirectory());
    expect(await where(name, 'pwd')).toBe(workDir);
    expect(await where(name, 'hello-2.10/sub/where')).toBe(sub);
    expect(await where('-dir', 'hello-2.10/sub', name, 'hello-2.10/where')).toBe(sub);
  });

  it('is the work directory for another tree, another buildlet, and a push that was dry or failed', async () => {
    const { cli, name, workDir, top, where } = await inTree();
    await cli(['push', '--dry-run', name]);
    expect(await where(name, 'pwd')).toBe(workDir);
    const other = temporaryDirectory();
    await cli(['push', name, other]);
    expect(await where(name, 'pwd')).toBe(workDir);
    await cli(['push', name]);
    const second = (await cli(['create', 'local'])).stdout.trim();
    expect(await where(second, 'pwd')).not.toContain('hello-2.10');
    await cli(['destroy', second]);
    rmSync(join(top, 'sub'), { recursive: true });
    expect(await where(name, 'pwd')).toBe(join(workDir, 'hello-2.10'));
  });
});
