// Whatever the library gives that holds something is released by `await using`.
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Buildlet } from '../../src/gomote/buildlet.ts';
import { BuildletClient, CoordinatorClient } from '../../src/index.ts';
import { openTest, type TestGomote } from '../../src/testing.ts';

let gomote: TestGomote;
let buildlet: Buildlet;

beforeAll(async () => {
  gomote = await openTest();
  buildlet = await gomote.create('local');
});
afterAll(() => gomote.close());

const sleeping = async () => {
  const run = buildlet.run('sh', ['-c', 'echo on; exec sleep 1000']);
  for await (const _ of run) break;
  // A run is awaited where it is returned.
  return { run };
};
const infoOf = async (id: string) => (await buildlet.runs()).find((run) => run.id === id);
const port = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

interface Held {
  readonly it: AsyncDisposable;
  /** Throws unless it was released. */
  readonly check: () => Promise<unknown>;
}

const closed = { code: 'ERR_CLOSED' };
const table: Record<string, () => Promise<Held>> = {
  openTest: async () => {
    const other = await openTest();
    const { HOME = '' } = other.environment;
    return { it: other, check: async () => expect(existsSync(HOME)).toBe(false) };
  },
  create: async () => {
    const other = await gomote.create('local');
    const names = async () => (await gomote.list()).map(({ name }) => name);
    return { it: other, check: async () => expect(await names()).not.toContain(other.name) };
  },
  get: async () => {
    const other = await gomote.get(buildlet.name);
    await other.run('true');
    return {
      it: other,
      check: async () => {
        await expect(other.run('true')).rejects.toMatchObject(closed);
        expect((await buildlet.run('true')).ok).toBe(true);
      },
    };
  },
  run: async () => {
    const { run } = await sleeping();
    return {
      it: run,
      check: async () => {
        await expect(run).rejects.toMatchObject({ code: 'ERR_ABORTED' });
        await buildlet.attach(run.id);
        expect(await infoOf(run.id)).toMatchObject({ end: { signal: 'SIGTERM' } });
      },
    };
  },
  shell: async () => {
    const shell = buildlet.shell();
    await once(shell.stdout, 'data');
    return { it: shell, check: () => expect(shell).rejects.toMatchObject({ code: 'ERR_ABORTED' }) };
  },
  attach: async () => {
    const {
      run: { id },
    } = await sleeping();
    const attached = buildlet.attach(id);
    for await (const _ of attached) break;
    return {
      it: attached,
      check: async () => {
        await expect(attached).rejects.toMatchObject({ code: 'ERR_ABORTED' });
        expect((await infoOf(id))?.end).toBeUndefined();
        await buildlet.attach(id).kill('SIGKILL');
      },
    };
  },
  forward: async () => {
    const forward = await buildlet.forward('0:1');
    return { it: forward, check: () => forward.ended };
  },
  watch: async () => {
    const tree = join(gomote.environment.HOME ?? '', 'watched');
    mkdirSync(tree);
    writeFileSync(join(tree, 'file'), '');
    const watch = buildlet.watch(tree);
    await watch.next();
    return {
      it: watch,
      check: async () => expect(await watch.next()).toMatchObject({ done: true }),
    };
  },
  'files.watch': async () => {
    await buildlet.files.write('seen/file', '');
    const watch = buildlet.files.watch('seen');
    await watch.next();
    return {
      it: watch,
      check: async () => expect(await watch.next()).toMatchObject({ done: true }),
    };
  },
  'client.listDir': async () => {
    await buildlet.files.write('listed/file', '');
    const list = buildlet.client.listDir('listed');
    await list.next();
    return { it: list, check: async () => expect(await list.next()).toMatchObject({ done: true }) };
  },
  'client.ports.listen': async () => {
    const listener = await buildlet.client.ports.listen(port, (stream) => stream.end());
    return { it: listener, check: () => listener.ended };
  },
  'client.ports.connect': async () => {
    const listener = await buildlet.client.ports.listen(port, () => undefined);
    const stream = await buildlet.client.ports.connect(listener.at);
    stream.on('error', () => undefined);
    const check = async () => {
      listener.close();
      expect(stream.destroyed).toBe(true);
    };
    // Node's streams fail when they are disposed twice.
    const dispose = async () =>
      stream.destroyed ? undefined : await stream[Symbol.asyncDispose]();
    return { it: { [Symbol.asyncDispose]: dispose }, check };
  },
  'client.hold': async () => {
    const other = await gomote.create('local');
    const hold = await other.client.hold({ graceMs: 60_000 });
    if (hold === undefined) throw new Error('buildlets of tests can be held');
    const check = () => hold.release({ signal: AbortSignal.abort() }).catch(() => other.destroy());
    return { it: hold, check };
  },
  BuildletClient: async () => {
    const client = new BuildletClient('127.0.0.1:1');
    return { it: client, check: () => expect(client.status()).rejects.toMatchObject(closed) };
  },
  CoordinatorClient: async () => {
    const auth = { username: 'user-me', password: 'x' };
    const client = new CoordinatorClient({ auth, instance: '127.0.0.1:1' });
    return { it: client, check: () => expect(client.types()).rejects.toMatchObject(closed) };
  },
};

it.each(Object.entries(table))('%s is released at the end of its scope', async (_, make) => {
  const { it: held, check } = await make();
  await held[Symbol.asyncDispose]();
  await held[Symbol.asyncDispose]();
  await check();
});

it('a run that has ended keeps its result when its handle is disposed', async () => {
  await using run = buildlet.run('echo', ['hi']);
  await run;
  await run[Symbol.asyncDispose]();
  expect(await run).toMatchObject({ ok: true, stdout: 'hi\n' });
});

it('a run that was detached continues when its handle is disposed', async () => {
  const { run } = await sleeping();
  await run.detach();
  await run[Symbol.asyncDispose]();
  expect((await infoOf(run.id))?.end).toBeUndefined();
  await buildlet.attach(run.id).kill('SIGKILL');
});
