import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CliResult, testCli } from '../helpers/cli.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

interface Watching {
  readonly cli: ReturnType<typeof testCli>;
  readonly name: string;
  readonly top: string;
  readonly ended: Promise<CliResult>;
  /** Resolves when the file there has this content. */
  arrives(path: string, content: string): Promise<void>;
  stop(): Promise<CliResult>;
}

/** A push that watches a tree in which `gen/a` is. */
async function watching(prepare: (top: string) => void = () => undefined): Promise<Watching> {
  const cli = testCli();
  const name = (await cli(['create', 'local'])).stdout.trim();
  const workDir = (await cli(['run', '--dir', '.', name, 'pwd'])).stdout.trim();
  const top = join(temporaryDirectory(), 'tree');
  mkdirSync(join(top, 'gen'), { recursive: true });
  writeFileSync(join(top, 'gen/a'), '1');
  prepare(top);
  const stopper = new AbortController();
  onTestFinished(() => stopper.abort());
  const interrupt = { signal: stopper.signal, received: undefined };
  const ended = cli(['push', '--watch', '--dest', 'd', name, top], { interrupt });
  const read = (path: string): string | undefined => {
    try {
      return readFileSync(join(workDir, 'd', path), 'utf8');
    } catch {
      return undefined;
    }
  };
  const arrives = async (path: string, content: string) =>
    await until(() => read(path) === content, 30_000);
  const stop = async () => {
    stopper.abort();
    return await ended;
  };
  await arrives('gen/a', '1');
  return { cli, name, top, ended, arrives, stop };
}

describe('gomote push --watch', { timeout: 120_000 }, () => {
  it('notices what is written in a directory that was removed or moved and made again', async () => {
    const { top, arrives, stop } = await watching();
    for (const round of ['2', '3', '4']) {
      rmSync(join(top, 'gen'), { recursive: true });
      mkdirSync(join(top, 'gen'));
      writeFileSync(join(top, 'gen/a'), round);
      await arrives('gen/a', round);
      writeFileSync(join(top, 'gen/a'), `${round} changed`);
      await arrives('gen/a', `${round} changed`);
    }
    renameSync(join(top, 'gen'), join(top, 'gen2'));
    mkdirSync(join(top, 'gen'));
    writeFileSync(join(top, 'gen/z'), '1');
    await arrives('gen/z', '1');
    writeFileSync(join(top, 'gen/z'), '2');
    await arrives('gen/z', '2');
    writeFileSync(join(top, 'gen2/a'), 'moved');
    await arrives('gen2/a', 'moved');
    expect((await stop()).code).not.toBe(0);
  });

  it('notices what is written into a new directory at once, however deep', async () => {
    const { top, arrives, stop } = await watching();
    for (let round = 0; round < 5; round++) {
      const deep = join(top, `new${round}`, 'x/y/z');
      mkdirSync(deep, { recursive: true });
      for (let file = 0; file < 20; file++) writeFileSync(join(deep, `${file}`), `${round}`);
      await arrives(`new${round}/x/y/z/19`, `${round}`);
      writeFileSync(join(deep, '19'), 'again');
      await arrives(`new${round}/x/y/z/19`, 'again');
    }
    await stop();
  });

  it.each<[string, (top: string) => void]>([
    ['the top', (top) => rmSync(top, { recursive: true })],
    ['the directory that it is in', (top) => rmSync(join(top, '..'), { recursive: true })],
    ['the top, by a move', (top) => renameSync(top, `${top}-before`)],
  ])('continues when %s is removed and created again', async (_, remove) => {
    const { top, arrives, stop } = await watching();
    for (const round of ['2', '3']) {
      remove(top);
      mkdirSync(join(top, 'gen'), { recursive: true });
      writeFileSync(join(top, 'gen/a'), round);
      await arrives('gen/a', round);
      writeFileSync(join(top, 'gen/a'), `${round} changed`);
      await arrives('gen/a', `${round} changed`);
      rmSync(`${top}-before`, { recursive: true, force: true });
    }
    await stop();
  });

  it('follows git checkout and git stash', async () => {
    const git = (cwd: string, ...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@x', ...args], {
        cwd,
        stdio: 'pipe',
      });
    const { top, arrives, stop } = await watching((tree) => {
      git(tree, 'init', '-q', '-b', 'one');
      git(tree, 'add', '-A');
      git(tree, 'commit', '-qm', '1');
      git(tree, 'checkout', '-qb', 'two');
      rmSync(join(tree, 'gen'), { recursive: true });
      git(tree, 'commit', '-qam', '2');
      git(tree, 'checkout', '-q', 'one');
    });
    git(top, 'checkout', '-q', 'two');
    git(top, 'checkout', '-q', '-');
    writeFileSync(join(top, 'gen/a'), '2');
    await arrives('gen/a', '2');
    git(top, 'stash', '-q');
    await arrives('gen/a', '1');
    git(top, 'stash', 'pop', '-q');
    await arrives('gen/a', '2');
    writeFileSync(join(top, 'gen/a'), '3');
    await arrives('gen/a', '3');
    await stop();
  });

  it('ends with 1 and the reason when its buildlet is gone', async () => {
    const { cli, name, ended } = await watching();
    await cli(['destroy', name]);
    expect(await ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${name} is gone`),
    });
  });

  it('ends when its first push fails', async () => {
    const cli = testCli();
    const top = temporaryDirectory();
    expect(await cli(['push', '--watch', 'nobody', top])).toMatchObject({ code: 1 });
    const name = (await cli(['create', 'local'])).stdout.trim();
    mkdirSync(join(top, '.gomoteignore'));
    expect(await cli(['push', '--watch', name, top])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('cannot read'),
    });
  });
});
