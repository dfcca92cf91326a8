import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { processesWith, until } from '../../helpers/processes.ts';
import { ending, workshop } from '../../helpers/programs.ts';

function project(types: readonly string[] = []) {
  const shop = workshop();
  const top = join(shop.directory, 'project');
  mkdirSync(top);
  writeFileSync(join(top, 'a'), 'a');
  const config = join(shop.directory, '.config', 'gomote');
  mkdirSync(config, { recursive: true });
  const sections = types.map((type) => `[builders.${type}]\nhost = "host-local"\n`);
  writeFileSync(join(config, 'config.toml'), sections.join(''));
  const start = (...args: string[]) => shop.start('gomote', ['once', ...args], { cwd: top });
  const once = async (...args: string[]) => {
    const { code, stdout, stderr } = await ending(start(...args));
    return { code, stdout: stdout.toString().split('\n').filter(Boolean).sort(), stderr };
  };
  const list = async () => (await shop.gomote('list')).stdout.toString();
  return { ...shop, top, once, list, startOnce: start };
}

describe('gomote once on several machines', () => {
  it('prints lines behind the names, and leaves nothing', async () => {
    const { once, list } = await project();
    const ended = await once('--count', '2', '--', 'sh', '-c', 'echo out; cat a; exit 3');
    expect(ended).toMatchObject({
      code: 3,
      stdout: ['me-local-0| a', 'me-local-0| out', 'me-local-1| a', 'me-local-1| out'],
    });
    expect(await list()).toBe('');
  });

  it('gives each its shard, in variables and arguments, from one working tree', async () => {
    const { once } = project();
    const script = 'echo $GOMOTE_SHARD_INDEX of $GOMOTE_SHARD_TOTAL: $1';
    const ended = await once(
      '--shard',
      '3',
      '--',
      'sh',
      '-c',
      script,
      'sh',
      '--part={index}/{total}',
    );
    expect(ended.stdout.map((line) => line.replace(/^.*\| /, '')).sort()).toEqual([
      '0 of 3: --part=0/3',
      '1 of 3: --part=1/3',
      '2 of 3: --part=2/3',
    ]);
  });

  it('leaves {index} unchanged where there are no shards', async () => {
    const { once } = project();
    expect((await once('--', 'echo', '{index}', '{total}')).stdout).toEqual(['{index} {total}']);
  });

  it('makes one of each type, and as many of each as there are shards', async () => {
    const { once, list } = project(['first', 'second']);
    const one = await once('--types', 'first,second', '--', 'true');
    expect([one.code, one.stderr]).toEqual([0, '']);
    const four = await once(
      '--types',
      'first,second',
      '--shard',
      '2',
      '--',
      'sh',
      '-c',
      'echo $GOMOTE_SHARD_INDEX',
    );
    expect(four.stdout).toEqual([
      ...['me-first-1| 0', 'me-first-2| 1', 'me-second-1| 0', 'me-second-2| 1'],
    ]);
    expect(await list()).toBe('');
  });

  it.each([
    ['the common one', 'exit 4', 4],
    ['1 where they differ', 'exit $GOMOTE_SHARD_INDEX', 1],
    ['125 where one is not known', 'test $GOMOTE_SHARD_INDEX = 0 && kill -9 $PPID; exit 0', 125],
  ])('has one status: %s', async (_what, script, code) => {
    const { once } = project();
    expect(await once('--shard', '2', '--reconnect', '0', '--', 'sh', '-c', script)).toMatchObject({
      code,
    });
  });

  it('fetches the files of each into a directory of its own', async () => {
    const { once, top } = project();
    const script = 'echo $GOMOTE_SHARD_INDEX > r';
    await once('--shard', '2', '--get', 'r', '--', 'sh', '-c', script);
    const found = [0, 1].map((index) => readFileSync(join(top, `me-local-${index}`, 'r'), 'utf8'));
    expect(found.sort()).toEqual(['0\n', '1\n']);
    expect(existsSync(join(top, 'r'))).toBe(false);
  });

  it('keeps those that failed', async () => {
    const { once, list } = project();
    const script = 'exit $GOMOTE_SHARD_INDEX';
    const ended = await once('--shard', '2', '--keep', 'failure', '--', 'sh', '-c', script);
    const kept = /kept (me-local-[01])/.exec(ended.stderr)?.[1] ?? 'none';
    expect((await list()).split('\t')[0]).toBe(kept);
  });

  it('reports all of them as JSON, in their order', async () => {
    const { once } = project();
    const { stdout } = await once(
      '--json',
      '--shard',
      '2',
      '--',
      'sh',
      '-c',
      'exit $GOMOTE_SHARD_INDEX',
    );
    expect(JSON.parse(stdout.join(''))).toMatchObject({
      code: 1,
      machines: [
        { name: 'me-local-0', index: 0 },
        { name: 'me-local-1', index: 1 },
      ],
    });
  });

  it.each([
    ['of a type that is not known', ['--types', 'local,amiga', '--', 'true']],
    ['of more than there may be', ['--types', 'local,first', '--count', '40', '--', 'true']],
    ['with a type and types', ['--types', 'local', 'local', '--', 'true']],
    ['with a shell', ['--count', '2', '--shell', 'failure', '--', 'true']],
    ['of shards and a count', ['--count', '2', '--shard', '2', '--', 'true']],
  ])('makes no machine %s', async (_what, args) => {
    const { once, list } = project();
    expect(await once(...args)).toMatchObject({ code: 125 });
    expect(await list()).toBe('');
  });

  it.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'leaves no machine when it gets %s',
    async (signal) => {
      const { startOnce, list, directory } = project();
      const child = startOnce('--count', '3', '--', 'sh', '-c', 'echo runs; sleep 600 & wait');
      let out = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        out += chunk.toString();
      });
      const over = ending(child);
      await until(() => out.split('runs').length === 4);
      child.kill(signal);
      await over;
      await until(() => processesWith(directory).length === 0);
      expect(await list()).toBe('');
    },
  );
});
