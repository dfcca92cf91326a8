// The tree that a user pushed last is made ahead on the next machine: the first push there moves it, and sends what differs.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TreeStore } from '../../src/buildlet/trees/tree-store.ts';
import type { BuildletClient } from '../../src/client/buildlet-client.ts';
import { push } from '../../src/sync/push/push.ts';
import type { PushOptions } from '../../src/sync/push/push-options.ts';
import { clientOf, startBuildlet } from '../helpers/buildlet.ts';
import { startCoordinator, type TestCoordinatorOptions, tokenOf } from '../helpers/coordinator.ts';
import { until } from '../helpers/processes.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { hasTool } from '../helpers/tools.ts';
import { snapshot } from '../tar/tree.ts';

const past = new Date('2020-03-04T05:06:07Z');

/** Enough files for a copy to be worthwhile, with everything that a tree can have. */
function plant(): string {
  const top = temporaryDirectory();
  for (const directory of ['small', 'closed', 'sub/deep', 'empty']) {
    mkdirSync(join(top, directory), { recursive: true });
  }
  for (let count = 0; count < 110; count++) {
    writeFileSync(join(top, 'small', `${count}`), `content ${count}`.repeat(300));
  }
  writeFileSync(join(top, 'sub/deep/program'), '#!/bin/sh\n', { mode: 0o755 });
  writeFileSync(join(top, 'top'), 'at the top');
  writeFileSync(join(top, 'closed/file'), 'in a directory without write permission');
  symlinkSync('../small/1', join(top, 'sub/link'));
  chmodSync(join(top, 'closed'), 0o555);
  for (const one of ['top', 'small/7', 'sub/deep/program']) utimesSync(join(top, one), past, past);
  return top;
}

/** Without the times of directories, which a push does not send. */
const seen = (top: string): string[] =>
  snapshot(top).map((line) => line.replace(/ (40\d{3}) .*/, ' $1'));

/** What the stores below the directory remember as the last trees. */
const remembered = (directory: string): string =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('last-tree'))
    .map((path) => readFileSync(join(directory, path), 'utf8'))
    .join();

/** Pushes, and waits until the tree is remembered, which takes a moment more. */
async function pushFirst(client: BuildletClient, top: string, store: string, more = {}) {
  const before = remembered(store);
  const summary = await pushTo(client, top, more);
  await until(() => remembered(store) !== before);
  return summary;
}

async function pushTo(client: BuildletClient, top: string, more: Partial<PushOptions> = {}) {
  const { signal } = new AbortController();
  const [result] = await push([client], top, { dir: 'tree', signal, ...more });
  if (result?.status !== 'fulfilled') throw result?.reason;
  return result.value;
}

const preparedOn = async (client: BuildletClient, dir = 'tree') =>
  (await (await client.trees()).state(dir, 'pushed')).prepared;

const isReady = async (client: BuildletClient) =>
  await until(async () => (await preparedOn(client)) !== undefined);

/** A coordinator with one machine on this host, which gets each session in turn. */
async function start(options: TestCoordinatorOptions = {}) {
  const users = { alice: {}, bob: {} };
  const workDir = temporaryDirectory();
  const buildlet = await startBuildlet({ workDir });
  const addresses = [String(buildlet.address)];
  const coordinator = await startCoordinator({ users, addresses, ...options });
  let last: BuildletClient | undefined;
  const create = async (user = 'alice') => {
    await last?.halt();
    last = await coordinator.client(user).createBuildlet('linux');
    return last;
  };
  const store = join(coordinator.directory, 'state/store');
  return {
    coordinator,
    store,
    create,
    workDir,
    /** A fresh machine for a user who has pushed the tree to another one. */
    fresh: async (top: string, cacheDirectory?: string) => {
      await pushFirst(await create(), top, store, { cacheDirectory });
      const client = await create();
      await isReady(client);
      return client;
    },
  };
}

describe('a tree that is made ahead', () => {
  it.each(['with', 'without'])('is taken by the first push %s a cache of its own', async (how) => {
    const { fresh, workDir } = await start();
    const top = plant();
    const cacheDirectory = how === 'with' ? temporaryDirectory() : undefined;
    const client = await fresh(top, cacheDirectory);
    expect(readdirSync(workDir)).toEqual([]);
    const summary = await pushTo(client, top, { cacheDirectory });
    expect(seen(join(workDir, 'tree'))).toEqual(seen(top));
    expect(summary).toMatchObject({ files: 113, storedBytes: summary.bytes, removed: 0 });
    expect(await preparedOn(client, 'other')).toBeUndefined();
    // The next push knows everything that is there.
    writeFileSync(join(workDir, 'tree/made-there'), '');
    writeFileSync(join(top, 'new'), 'new');
    expect(await pushTo(client, top, { cacheDirectory })).toMatchObject({ files: 1 });
    rmSync(join(workDir, 'tree/made-there'));
    expect(seen(join(workDir, 'tree'))).toEqual(seen(top));
  });

  it('is changed to the tree of today', async () => {
    const { fresh, create, workDir, store } = await start();
    const top = plant();
    const client = await fresh(top);
    rmSync(join(top, 'small/3'));
    renameSync(join(top, 'small/4'), join(top, 'small/renamed'));
    writeFileSync(join(top, 'small/5'), 'changed');
    utimesSync(join(top, 'small/6'), past, past);
    chmodSync(join(top, 'small/8'), 0o700);
    rmSync(join(top, 'sub'), { recursive: true });
    writeFileSync(join(top, 'sub'), 'a file now');
    rmSync(join(top, 'top'));
    mkdirSync(join(top, 'top'));
    rmSync(join(top, 'empty'), { recursive: true });
    // What git leaves out now was in the tree before.
    writeFileSync(join(top, '.gomoteignore'), '9\n');
    await pushFirst(client, top, store);
    rmSync(join(top, 'small/9'));
    expect(seen(join(workDir, 'tree'))).toEqual(seen(top));
    // The coordinator remembers the tree as it became.
    const next = await create();
    await isReady(next);
    const digest = (await preparedOn(next))?.digest;
    const summary = await pushTo(next, top);
    expect(digest).toBe(summary.digest);
    expect(seen(join(workDir, 'tree'))).toEqual(seen(top));
  });

  it.each(['.', 'a/b'])('becomes the directory %s', async (dir) => {
    const { fresh, workDir } = await start();
    const top = plant();
    const client = await fresh(top);
    await pushTo(client, top, { dir });
    // The record is written after the reply, but before the next one.
    await preparedOn(client, dir);
    rmSync(join(workDir, '.gomote'), { recursive: true });
    expect(seen(join(workDir, dir))).toEqual(seen(top));
  });

  it('is taken after a command has run, and while one runs', async () => {
    const { fresh, workDir } = await start();
    const top = plant();
    const client = await fresh(top);
    await client.exec('/bin/true', { systemLevel: true });
    const ended = new AbortController();
    const { signal } = ended;
    const running = client.exec('/bin/sleep', { args: ['600'], systemLevel: true, signal });
    const digest = (await preparedOn(client))?.digest;
    expect(await pushTo(client, top)).toMatchObject({ files: 113, digest });
    expect(seen(join(workDir, 'tree'))).toEqual(seen(top));
    ended.abort();
    await expect(running).rejects.toThrow();
  });

  it('that is of little use to a push is left to others', async () => {
    const { fresh, workDir } = await start();
    const client = await fresh(plant());
    const digest = (await preparedOn(client))?.digest;
    const other = temporaryDirectory();
    for (const name of ['top', 'one', 'two']) writeFileSync(join(other, name), name);
    await pushTo(client, other, { dir: 'other' });
    expect(seen(join(workDir, 'other'))).toEqual(seen(other));
    expect((await preparedOn(client))?.digest).toBe(digest);
  });

  it('is never given to another user', async () => {
    const { fresh, create } = await start();
    const client = await fresh(plant());
    const digest = (await preparedOn(client))?.digest;
    const other = await create('bob');
    expect(await preparedOn(other)).toBeUndefined();
    const trees = await other.trees();
    expect((await trees.manifest('tree', 'pushed', { isPrepared: true })).entries).toEqual([]);
    const { generation } = await trees.state('tree', 'pushed');
    const stolen = trees.apply('tree', generation, [], { prepared: digest });
    await expect(stolen).rejects.toThrow('what was made ahead has gone');
  });

  it('is not made of a store that a client names', async () => {
    const { create, coordinator, store } = await start();
    const top = plant();
    await pushFirst(await create(), top, store);
    const [room = ''] = readdirSync(store);
    const thief = await create('bob');
    const { request } = await import('node:https');
    const { fileIdentity } = await import('../../src/files/file-identity.ts');
    const path = join(store, room);
    const at = `${fileIdentity(path)} ${encodeURIComponent(path)}`;
    const status = await new Promise((resolve, reject) => {
      const headers = { 'Gomote-Store-At': at, 'X-Buildlet-Proxy': thief.name };
      const auth = `user-bob:${tokenOf('bob')}`;
      const options = { method: 'POST', headers, auth, rejectUnauthorized: false };
      request(`${coordinator.url}/sync/prepare`, options, (reply) => resolve(reply.statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(200);
    // The job came before this one.
    const trees = await thief.trees();
    expect((await trees.manifest('tree', 'pushed', { isPrepared: true })).entries).toEqual([]);
  });

  it('gives way to existing files', async () => {
    const { fresh, workDir } = await start();
    const top = plant();
    const client = await fresh(top);
    mkdirSync(join(workDir, 'tree/small'), { recursive: true });
    writeFileSync(join(workDir, 'tree/small/other'), 'not pushed');
    await pushTo(client, top);
    expect(readFileSync(join(workDir, 'tree/small/other'), 'utf8')).toBe('not pushed');
    rmSync(join(workDir, 'tree/small/other'));
    expect(seen(join(workDir, 'tree'))).toEqual(seen(top));
  });

  it('stays after a dry run of a push', async () => {
    const { fresh, workDir } = await start();
    const top = plant();
    const client = await fresh(top);
    expect(await pushTo(client, top, { dryRun: true })).toMatchObject({ files: 113 });
    expect(readdirSync(workDir)).toEqual([]);
    expect(await preparedOn(client)).toBeDefined();
  });

  it('is taken by one of two pushes at once', async () => {
    const { fresh, workDir } = await start();
    const top = plant();
    const client = await fresh(top);
    await Promise.all(['one', 'two', 'one'].map(async (dir) => await pushTo(client, top, { dir })));
    for (const dir of ['one', 'two']) expect(seen(join(workDir, dir))).toEqual(seen(top));
  });

  it('leaves out contents that the store has damaged', async () => {
    const { create, coordinator, workDir, store } = await start();
    const top = plant();
    await pushFirst(await create(), top, store);
    for (const name of readdirSync(store, { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.pack')) continue;
      const bytes = readFileSync(join(store, name));
      for (let at = 0; at < bytes.length / 2; at += 5_000) bytes[at] = ~(bytes[at] ?? 0);
      writeFileSync(join(store, name), bytes);
    }
    await coordinator.restart();
    const client = await create();
    await isReady(client);
    await pushTo(client, top);
    expect(seen(join(workDir, 'tree'))).toEqual(seen(top));
  });
});

describe('a buildlet with a store of its own', () => {
  it.each(['a directory that others may write to', 'a file', 'a link'])(
    'takes pushes without it if it is %s',
    async (what) => {
      const root = join(temporaryDirectory(), 'store');
      if (what === 'a file') writeFileSync(root, '');
      else if (what === 'a link') symlinkSync(temporaryDirectory(), root);
      else mkdirSync(root);
      if (what.startsWith('a directory')) chmodSync(root, 0o777);
      const store = { root, room: 'own', limitBytes: 100 << 20 };
      const buildlet = await startBuildlet({ store });
      const top = plant();
      expect(await pushTo(clientOf(buildlet), top)).toMatchObject({ storedBytes: 0 });
      expect(seen(join(buildlet.workDir, 'tree'))).toEqual(seen(top));
      expect(buildlet.log.join('\n')).toContain('nothing is stored: the content store');
    },
  );

  it('makes the tree ahead that was pushed to the buildlet before', async () => {
    const store = { root: join(temporaryDirectory(), 'store'), room: 'own', limitBytes: 100 << 20 };
    const top = plant();
    await pushFirst(clientOf(await startBuildlet({ store })), top, store.root);
    const next = await startBuildlet({ store });
    const client = clientOf(next);
    await isReady(client);
    const { bytes, storedBytes } = await pushTo(client, top);
    expect(storedBytes).toBe(bytes);
    expect(seen(join(next.workDir, 'tree'))).toEqual(seen(top));
  });
});

const hasAcl = process.platform === 'linux' && hasTool('setfacl');

/** Ways in which a directory passes something on to what is made in it. */
const passingOn: Record<string, (directory: string) => void> = {
  'its group': (directory) => chmodSync(directory, 0o2755),
  ...(hasAcl && {
    'an ACL': (directory) => execFileSync('setfacl', ['-d', '-m', 'u:0:rx', directory]),
  }),
};

it.each(Object.keys(passingOn))('nothing is made ahead where new files get %s', async (what) => {
  const store = { root: join(temporaryDirectory(), 'store'), room: 'own', limitBytes: 100 << 20 };
  await pushFirst(clientOf(await startBuildlet({ store })), plant(), store.root);
  const { ContentStore } = await import('../../src/store/content-store.ts');
  const places = { workDir: temporaryDirectory(), stage: temporaryDirectory() };
  const trees = new TreeStore(places, new ContentStore(store));
  const prepared = () => {
    for (const _ of trees.prepare(undefined));
    return (
      trees.answer({ kind: 'state', dir: 'tree', all: false, ranAtMs: 0 }) as { prepared?: object }
    ).prepared;
  };
  expect(prepared()).toBeDefined();
  passingOn[what]?.(places.workDir);
  expect(prepared()).toBeUndefined();
});

/** The trees of a buildlet that has begun to make one ahead. */
async function beginAhead(top = plant()) {
  const root = join(temporaryDirectory(), 'store');
  const store = { root, room: 'own', limitBytes: 100 << 20 };
  await pushFirst(clientOf(await startBuildlet({ store })), top, root);
  const { ContentStore } = await import('../../src/store/content-store.ts');
  const places = { workDir: temporaryDirectory(), stage: temporaryDirectory() };
  const trees = new TreeStore(places, new ContentStore(store));
  const steps = trees.prepare(undefined);
  steps.next();
  const ask = () => {
    type Answer = { digest: string; generation: string; prepared?: { digest: string } };
    return trees.answer({ kind: 'state', dir: 'tree', all: false, ranAtMs: 0 }) as Answer;
  };
  const take = () => {
    const { generation, prepared } = ask();
    return trees.change({
      ...{ kind: 'apply', dir: 'tree', generation, prepared: prepared?.digest ?? 'none' },
      ...{ storeAt: undefined, ranAtMs: 0, givesUpEntries: true, replacesDirectories: false },
    });
  };
  const finish = () => {
    for (const _ of steps);
    const [name = ''] = readdirSync(places.stage);
    return join(places.stage, name);
  };
  return { ...places, trees, steps, ask, take, finish };
}

it('a tree that is being made ahead is announced as it will be', async () => {
  const { workDir, ask, take, finish } = await beginAhead();
  const { prepared } = ask();
  expect(prepared).toBeDefined();
  expect(take).toThrow('what was made ahead has gone');
  finish();
  expect(ask().prepared).toEqual(prepared);
  take();
  expect(readdirSync(join(workDir, 'tree'))).toHaveLength(5);
});

/** What commands can do to a tree that was made ahead. */
const changes: Record<string, (tree: string) => void> = {
  'wrote to a file': (tree) => appendFileSync(join(tree, 'small/1'), 'x'),
  'wrote to a file and set its time back': (tree) => {
    const { atime, mtime } = statSync(join(tree, 'small/7'));
    writeFileSync(join(tree, 'small/7'), 'tampered 7'.repeat(270));
    utimesSync(join(tree, 'small/7'), atime, mtime);
  },
  'made a file': (tree) => writeFileSync(join(tree, 'empty/file'), ''),
  'made a file at the top': (tree) => writeFileSync(join(tree, 'z'), ''),
  'made a FIFO': (tree) => execFileSync('mkfifo', [join(tree, 'empty/fifo')]),
  'removed a file': (tree) => rmSync(join(tree, 'top')),
  'made a link lead elsewhere': (tree) => {
    rmSync(join(tree, 'sub/link'));
    symlinkSync('../top', join(tree, 'sub/link'));
  },
  'changed a mode': (tree) => chmodSync(join(tree, 'empty'), 0o700),
  'put a link in place of a directory': (tree) => {
    renameSync(join(tree, 'small'), `${tree}.small`);
    symlinkSync(`${tree}.small`, join(tree, 'small'));
  },
  'removed all of it': (tree) => rmSync(tree, { recursive: true }),
};

it.each(Object.keys(changes))(
  'a tree that was made ahead is not taken if a command %s',
  async (what) => {
    const { trees, take, finish, workDir } = await beginAhead();
    const tree = finish();
    changes[what]?.(tree);
    for (const _ of trees.settlePrepared(Date.now()));
    expect(take).toThrow('what was made ahead has gone');
    expect(readdirSync(workDir)).toEqual([]);
  },
);

it('a buildlet that is killed after it moved a tree that was made ahead knows it as pushed', async () => {
  const { workDir, stage, ask, take, finish } = await beginAhead();
  finish();
  const { prepared } = ask();
  take();
  // No record has been written.
  const asked = { kind: 'state', dir: 'tree', all: false, ranAtMs: 0 } as const;
  expect(new TreeStore({ workDir, stage }).answer(asked)).toMatchObject({
    digest: prepared?.digest,
  });
});
