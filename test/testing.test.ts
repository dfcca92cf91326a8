// gomote/testing: buildlets in this process, and what can go wrong with them.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { openTest, type TestGomote, type TestOptions } from '../src/testing.ts';
import { projectRoot } from './helpers/programs.ts';
import { temporaryDirectory } from './helpers/temporary.ts';

async function setUp(options?: TestOptions): Promise<TestGomote> {
  const gomote = await openTest(options);
  onTestFinished(() => gomote.close());
  return gomote;
}

function makeTree(): string {
  const top = join(temporaryDirectory(), 'tree');
  mkdirSync(top);
  writeFileSync(join(top, 'file'), 'x'.repeat(10_000));
  return top;
}

it.each(['linux-amd64', 'local', 'docker:debian:12', 'ssh:nowhere'])(
  'a buildlet of the type %s is made, works, and leaves nothing',
  async (type) => {
    let directory = '';
    {
      await using gomote = await openTest();
      directory = gomote.environment.HOME ?? '';
      await using buildlet = await gomote.create(type);
      expect((await gomote.list()).map(({ name }) => name)).toEqual([buildlet.name]);
      await buildlet.push(makeTree());
      const { stdout } = await buildlet.run('sh', ['-c', 'cat file | wc -c; echo $HOME']);
      expect(stdout).toBe(`10000\n${directory}\n`);
      await buildlet.files.write('made', 'text');
      await buildlet.get('made', temporaryDirectory());
      const left = buildlet.run('sleep', ['1000']);
      await left.detach();
    }
    expect(existsSync(directory)).toBe(false);
  },
);

it('output and files of many megabytes arrive completely', async () => {
  const gomote = await setUp();
  const buildlet = await gomote.create('local');
  const bytes = 20_000_000;
  const run = await buildlet.run('head', ['-c', `${bytes}`, '/dev/zero']);
  expect({ ok: run.ok, bytes: run.stdout.length }).toEqual({ ok: true, bytes });
  const tree = makeTree();
  writeFileSync(join(tree, 'large'), Buffer.alloc(bytes, 1));
  await buildlet.push(tree);
  const to = join(temporaryDirectory(), 'back');
  await buildlet.pull('tree', { to });
  expect(readFileSync(join(to, 'large')).equals(Buffer.alloc(bytes, 1))).toBe(true);
  await buildlet.put(join(tree, 'large'), 'large');
  await buildlet.get('large', join(to, 'got'));
  expect(readFileSync(join(to, 'got')).equals(Buffer.alloc(bytes, 1))).toBe(true);
});

it('a buildlet that is destroyed is gone, and the others end with the Gomote', async () => {
  const gomote = await setUp();
  const [one, two] = await Promise.all([gomote.create('local'), gomote.create('local')]);
  await one.destroy();
  expect((await gomote.list()).map(({ name }) => name)).toEqual([two.name]);
  await gomote.close();
  await expect(two.run('true')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await expect(gomote.create('local')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await gomote.close();
});

it('a buildlet of any type can be forked', async () => {
  const gomote = await setUp();
  const buildlet = await gomote.create('linux-amd64');
  await buildlet.files.write('made', 'text');
  const [name = ''] = await buildlet.fork();
  expect(name).toBe('test-linux-amd64-1');
  await using copy = await gomote.get(name);
  expect(await copy.files.readText('made')).toBe('text');
});

it('a connection that breaks in the middle of a run or a push is reopened', async () => {
  const gomote = await setUp();
  const buildlet = await gomote.create('local');
  gomote.network.drop();
  const before = gomote.network.connections;
  gomote.network.plan = (n) =>
    n < before + 3 ? { kind: 'drop', direction: 'down', afterBytes: 400 } : undefined;
  expect((await buildlet.run('seq', ['1000'])).stdout).toHaveLength(3893);
  expect(gomote.network.connections).toBeGreaterThan(before + 3);
  gomote.network.drop();
  expect(await buildlet.push(makeTree())).toMatchObject({ files: 1 });
});

it('a fault of one buildlet does not affect others, and can be healed', async () => {
  const gomote = await setUp();
  const [buildlet, other] = [await gomote.create('local'), await gomote.create('local')];
  gomote.network.plan = (_, name) =>
    name === buildlet.name ? { kind: 'drop', direction: 'up', afterBytes: 0 } : undefined;
  gomote.network.drop(buildlet.name);
  await expect(buildlet.files.list()).rejects.toMatchObject({ code: 'ERR_CONNECT' });
  expect(await other.files.list()).toEqual([]);
  gomote.network.heal();
  expect(await buildlet.files.list()).toEqual([]);
});

it('a stalled connection passes nothing until it is healed', async () => {
  const gomote = await setUp();
  const buildlet = await gomote.create('local');
  const run = buildlet.run('sh', ['-c', 'echo on; sleep 0.1; echo off']);
  const lines: string[] = [];
  for await (const line of run) {
    lines.push(line);
    if (line === 'on') {
      gomote.network.stall();
      setTimeout(() => gomote.network.heal(), 200);
    }
  }
  expect(lines).toEqual(['on', 'off']);
});

it('a slow connection passes bytes at its rate', async () => {
  const gomote = await setUp();
  const buildlet = await gomote.create('local');
  await buildlet.files.write('f', new Uint8Array(100_000));
  const passed = gomote.network.downBytes;
  gomote.network.bytesPerSecond = 400_000;
  const began = performance.now();
  expect(await buildlet.files.read('f')).toHaveLength(100_000);
  expect(performance.now() - began).toBeGreaterThan(200);
  expect(gomote.network.downBytes - passed).toBeGreaterThan(100_000);
});

it('a buildlet that is killed fails what runs on it, is listed as dead, and can be destroyed', async () => {
  const gomote = await setUp();
  const buildlet = await gomote.create('local');
  const run = buildlet.run('sh', ['-c', 'echo on; exec sleep 1000'], { reconnectMs: 0 });
  for await (const _ of run) break;
  await gomote.kill(buildlet.name);
  await expect(run).rejects.toMatchObject({ code: 'ERR_BUILDLET_DIED' });
  await expect(buildlet.push(makeTree())).rejects.toMatchObject({ code: 'ERR_BUILDLET_DIED' });
  expect(await gomote.list()).toMatchObject([{ name: buildlet.name, dead: 'died' }]);
  await buildlet.destroy();
  expect(await gomote.list()).toEqual([]);
  const unknown = { code: 'ERR_UNKNOWN_BUILDLET' };
  await expect(gomote.kill(buildlet.name)).rejects.toMatchObject(unknown);
  expect(() => gomote.fillDisk(buildlet.name)).toThrow(expect.objectContaining(unknown));
});

it.each([
  ['all extensions', undefined],
  ['the base protocol alone', []],
])(
  'a full disk fails what is sent to a buildlet with %s, and nothing of it is left',
  async (_, features) => {
    const gomote = await setUp({ features });
    const buildlet = await gomote.create('local');
    gomote.fillDisk(buildlet.name);
    const full = { message: expect.stringContaining('no space left on device') };
    await expect(buildlet.push(makeTree())).rejects.toMatchObject(full);
    await expect(buildlet.files.write('f', 'x')).rejects.toMatchObject(full);
    expect((await buildlet.run('true')).ok).toBe(true);
    expect(readdirSync(await buildlet.client.workDir())).toEqual([]);
    gomote.fillDisk(buildlet.name, false);
    expect(await buildlet.push(makeTree())).toMatchObject({ files: 1 });
  },
);

it('programs with the environment of a test Gomote find its buildlets', async () => {
  const gomote = await setUp();
  const { name } = await gomote.create('local');
  const program = join(projectRoot, 'bin/gomote.js');
  const env = gomote.environment;
  const child = await promisify(execFile)(program, ['run', name, 'echo', 'hi'], { env });
  expect(child).toEqual({ stdout: 'hi\n', stderr: '' });
});

it('a network that is down fails calls, and does not make buildlets look dead', async () => {
  const gomote = await setUp();
  const buildlet = await gomote.create('local');
  gomote.network.accepting = false;
  gomote.network.drop();
  await expect(buildlet.files.list()).rejects.toMatchObject({ code: 'ERR_CONNECT' });
  expect(await gomote.list()).toMatchObject([{ dead: 'does not answer' }]);
});
