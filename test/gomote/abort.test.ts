// Every call of the porch ends with ERR_ABORTED when its signal aborts, before it and while nothing comes from the buildlet.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Buildlet } from '../../src/gomote/buildlet.ts';
import type { Gomote } from '../../src/gomote/gomote.ts';
import { openTest, type TestGomote } from '../../src/testing.ts';

type Options = { signal: AbortSignal };

let gomote: TestGomote;
let buildlet: Buildlet;
let made: string;
let here: string;

beforeAll(async () => {
  gomote = await openTest();
  here = join(gomote.environment.HOME ?? '', 'tree');
  mkdirSync(here);
  writeFileSync(join(here, 'file'), 'x');
  ({ name: made } = await gomote.create('local'));
});
// One that has no connection yet.
beforeEach(async () => {
  buildlet = await gomote.get(made);
});
afterEach(async () => {
  gomote.network.heal();
  await buildlet.disconnect();
});
afterAll(() => gomote.close());

const calls: Record<string, (options: Options) => Promise<unknown>> = {
  create: (options) => gomote.create('local', options),
  list: (options) => (gomote as Gomote).list(options),
  destroy: (options) => gomote.destroy(buildlet.name, options),
  push: (options) => buildlet.push(here, options),
  pull: (options) => buildlet.pull('.', { to: here, ...options }),
  watch: (options) => buildlet.watch(here, options).next(),
  diff: (options) => buildlet.diff(options),
  put: (options) => buildlet.put(join(here, 'file'), 'f', options),
  get: (options) => buildlet.get('f', join(here, 'got'), options),
  runs: (options) => buildlet.runs(options),
  forward: (options) => buildlet.forward('0:1', options),
  run: (options) => buildlet.run('true', [], options),
  shell: (options) => buildlet.shell(options),
  attach: (options) => buildlet.attach('x', options),
  'buildlet.destroy': (options) => buildlet.destroy(options),
  'run.kill': (options) => buildlet.attach('x').kill('SIGTERM', options),
  'run.detach': (options) => buildlet.attach('x').detach(options),
  'buildlet.snapshot': (options) => buildlet.snapshot('x', options),
  fork: (options) => buildlet.fork(options),
  'files.watch': (options) => buildlet.files.watch('', options).next(),
  'run.resize': (options) => buildlet.attach('x').resize(80, 24, options),
  'files.read': (options) => buildlet.files.read('f', options),
  'files.readText': (options) => buildlet.files.readText('f', options),
  'files.write': (options) => buildlet.files.write('f', 'x', options),
  'files.list': (options) => buildlet.files.list('', options),
  'files.exists': (options) => buildlet.files.exists('f', options),
  'files.mkdir': (options) => buildlet.files.mkdir('d', options),
  'files.rename': (options) => buildlet.files.rename('f', 'g', options),
  'files.remove': (options) => buildlet.files.remove('f', options),
};

const reason = new Error('the user left');
const aborted = { code: 'ERR_ABORTED', cause: reason };

/** These ask nothing of a buildlet. */
const local: Record<string, (options: Options) => Promise<unknown>> = {
  get: (options) => gomote.get(buildlet.name, options),
  snapshots: (options) => gomote.snapshots(options),
  snapshot: (options) => gomote.snapshot('x', options),
  prepareSnapshot: (options) => gomote.prepareSnapshot('x', options),
  removeSnapshot: (options) => gomote.removeSnapshot('x', options),
  shareSnapshot: (options) => gomote.shareSnapshot('x', true, options),
  caches: (options) => gomote.caches(options),
  purgeCache: (options) => gomote.purgeCache('x', options),
};

it.each(Object.entries(local))(
  '%s does not start when its signal has already aborted',
  async (_, call) => {
    await expect(call({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject(aborted);
  },
);

describe.each(Object.entries(calls))('%s', (name, call) => {
  it('does not start when its signal has already aborted', async () => {
    await expect(call({ signal: AbortSignal.abort(reason) })).rejects.toMatchObject(aborted);
  });

  it('refuses a value that is not a signal', async () => {
    const signal = { aborted: false } as AbortSignal;
    await expect((async () => await call({ signal }))()).rejects.toMatchObject({
      code: 'ERR_USAGE',
    });
  });

  it('ends when its signal aborts during silence', async () => {
    const controller = new AbortController();
    const begun = new Promise<void>((resolve) => {
      gomote.network.plan = () => {
        setImmediate(resolve);
        return { kind: 'stall', direction: 'up', afterBytes: 0 };
      };
    });
    const ending = call({ signal: controller.signal });
    ending.catch(() => undefined);
    await begun;
    controller.abort(reason);
    await expect(ending).rejects.toMatchObject(aborted);
    gomote.network.heal();
    if (name === 'create') expect(await gomote.list()).toHaveLength(1);
  });
});
