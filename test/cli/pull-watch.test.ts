import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { testCli } from '../helpers/cli.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

/** A pull that watches a directory of a buildlet in which `a` is. */
async function watching(...options: string[]) {
  const cli = testCli();
  const name = (await cli(['create', 'local'])).stdout.trim();
  const run = async (script: string) =>
    (await cli(['run', '--dir', '.', name, 'sh', '-c', script])).stdout.trim();
  await run('mkdir d && echo 1 >d/a');
  const top = join(temporaryDirectory(), 'tree');
  const stopper = new AbortController();
  onTestFinished(() => stopper.abort());
  const interrupt = { signal: stopper.signal, received: undefined };
  const ended = cli(['pull', '--watch', ...options, name, 'd', top], { interrupt });
  const at = (path: string) => join(top, path);
  const arrives = async (path: string, content: string) =>
    await until(
      () => existsSync(at(path)) && readFileSync(at(path), 'utf8') === `${content}\n`,
      60_000,
    );
  const stop = async () => {
    stopper.abort();
    return await ended;
  };
  await arrives('a', '1');
  return { cli, name, run, at, arrives, stop, ended };
}

describe('gomote pull --watch', { timeout: 180_000 }, () => {
  it('pulls what is written on the buildlet, until it is interrupted', async () => {
    const { run, arrives, stop } = await watching();
    await run('echo 2 >d/a');
    await arrives('a', '2');
    await run('mkdir -p d/x/y && echo new >d/x/y/z');
    await arrives('x/y/z', 'new');
    const { code, stderr } = await stop();
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/Ctrl-C ends it/);
    expect(stderr).not.toMatch(/nothing new/);
  });

  it('keeps what is changed here, reports it once, and fetches the rest', async () => {
    const { run, at, arrives, stop } = await watching();
    writeFileSync(at('a'), 'mine\n');
    await run('echo 2 >d/a; echo b >d/b');
    await arrives('b', 'b');
    await run('echo c >d/c');
    await arrives('c', 'c');
    await run('echo c2 >d/c');
    await arrives('c', 'c2');
    expect(readFileSync(at('a'), 'utf8')).toBe('mine\n');
    expect((await stop()).stderr.match(/a: changed here/g)).toHaveLength(1);
  });

  it('prints with --json an object for each pull that fetched something', async () => {
    const { run, arrives, stop } = await watching('--json');
    await run('echo b >d/b');
    await arrives('b', 'b');
    // The line of a pull comes after its files, and before those of the next one.
    await run('echo c >d/c');
    await arrives('c', 'c');
    const { stdout } = await stop();
    const files = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).files);
    expect(files.slice(0, 2)).toEqual([1, 1]);
  });

  it('ends with 1 when the buildlet is gone', async () => {
    const { cli, name, ended } = await watching();
    await cli(['destroy', name]);
    expect(await ended).toMatchObject({ code: 1, stderr: expect.stringContaining(name) });
  });

  it('fails at once without such a directory, and with --dry-run', async () => {
    const cli = testCli();
    const name = (await cli(['create', 'local'])).stdout.trim();
    const to = join(temporaryDirectory(), 'to');
    expect(await cli(['pull', '--watch', name, 'nosuch', to])).toMatchObject({ code: 1 });
    expect(await cli(['pull', '--watch', '--dry-run', name, 'nosuch', to])).toMatchObject({
      code: 2,
    });
  });
});
