// Caches of a cluster: claims that outlive pods, on volumes that are there already.
import type { V1PersistentVolumeClaim } from '@kubernetes/client-node';
import { afterAll, describe, expect, it } from 'vitest';
import { cacheClaim } from '../../src/backends/kubernetes/pod-caches.ts';
import type { Cli } from '../helpers/cli.ts';
import { Collector } from '../helpers/collect.ts';
import {
  builder,
  clusterCli,
  core,
  host,
  makeNamespace,
  never,
  nothingLeft,
  openBackend,
  pods,
} from './cluster.ts';
import { onlyNode, onNode } from './on-node.ts';

const namespace = await makeNamespace();
// A class that nothing makes volumes for.
const volumes = { size: '1Mi', class: namespace, access: 'ReadWriteOnce' } as const;
const section = `caches = { size = "1Mi", class = "${namespace}" }`;
await makeVolumes(8);

/** Volumes of that class, which are directories of one node. */
async function makeVolumes(count: number): Promise<void> {
  const nodeAffinity = await onlyNode();
  const names = Array.from({ length: count }, (_, n) => `${namespace}-${n}`);
  await onNode(
    namespace,
    `fs.mkdirSync('/node/${namespace}'); for (const n of ${JSON.stringify(names)}) fs.mkdirSync('/node/${namespace}/' + n)`,
  );
  for (const name of names) {
    await core.createPersistentVolume({
      body: {
        metadata: { name },
        spec: {
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteOnce', 'ReadWriteMany'],
          persistentVolumeReclaimPolicy: 'Retain',
          storageClassName: namespace,
          local: { path: `/tmp/${namespace}/${name}` },
          nodeAffinity,
        },
      },
    });
  }
  afterAll(async () => {
    for (const name of names) await core.deletePersistentVolume({ name });
    await onNode(namespace, `fs.rmSync('/node/${namespace}', { recursive: true, force: true })`);
  }, 120_000);
}

async function created(cli: Cli, ...options: string[]): Promise<string> {
  const result = await cli(['create', ...options, 'linux']);
  expect(result.code, result.stderr).toBe(0);
  return result.stdout.trim();
}

const sh = async (cli: Cli, name: string, script: string) =>
  await cli(['run', '--dir', '.', name, 'sh', '-c', script]);

const listed = async (cli: Cli) => JSON.parse((await cli(['cache', 'list', '--json'])).stdout);

async function claims(): Promise<V1PersistentVolumeClaim[]> {
  return (await core.listNamespacedPersistentVolumeClaim({ namespace })).items;
}

describe('a cache of pods', () => {
  it('is a claim that outlives them, until it is purged', async () => {
    const cli = clusterCli(namespace, section);
    const options = ['--cache', 'Go_build:~/deep/cache', '--cache', 'root:/var/kept'];
    const name = await created(cli, ...options);
    const write = 'echo home >~/deep/cache/file; echo root >/var/kept/file';
    expect(await sh(cli, name, write)).toMatchObject({ code: 0, stderr: '' });
    expect(await listed(cli)).toMatchObject(
      ['Go_build', 'root'].map((cache) => ({ name: cache, buildlets: [name] })),
    );
    expect(await cli(['cache', 'purge', 'root'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`the cache "root" is in use by ${name}`),
    });
    // Two at once, on the node that has the volume.
    const other = await created(cli, ...options);
    await cli(['destroy', name]);
    expect(
      await sh(cli, other, 'read a <~/deep/cache/file; read b </var/kept/file; echo $a $b'),
    ).toMatchObject({
      stdout: 'home root\n',
    });
    await cli(['destroy', other]);
    expect(await cli(['reap'])).toMatchObject({ code: 0 });
    // The claims of pods that are still ending go with them, and the next ones are new.
    expect(await cli(['cache', 'purge'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await listed(cli)).toEqual([]);
    const fresh = await created(cli, '--cache', 'root:/var/kept');
    expect(await sh(cli, fresh, 'echo /var/kept/*')).toMatchObject({ stdout: '/var/kept/*\n' });
    await cli(['destroy', fresh]);
    await cli(['cache', 'purge']);
    await expect.poll(claims, { timeout: 60_000 }).toEqual([]);
    await nothingLeft(namespace);
  });

  it('is for one buildlet at a time if exclusive, and can be written by commands that are not root', async () => {
    const user = 'template = { spec = { securityContext = { runAsUser = 1234 } } }';
    const cli = clusterCli(namespace, section, user);
    const cache = ['--cache', 'c:/tmp/kept,mode=exclusive'];
    const name = await created(cli, ...cache);
    const script = 'echo mine >/tmp/kept/file && read a </tmp/kept/file && echo $a';
    expect(await sh(cli, name, script)).toMatchObject({ code: 0, stdout: 'mine\n' });
    for (const typed of ['c:/tmp/kept,mode=exclusive', 'c:x']) {
      expect(await cli(['create', '--cache', typed, 'linux'])).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`"c" is in use by ${name}, which has it for itself`),
      });
    }
    // The pod is still ending when the next one is asked for.
    await cli(['destroy', name]);
    const next = await created(cli, ...cache);
    const living = (await pods(namespace)).filter(({ status }) => status?.phase === 'Running');
    expect(living.map(({ metadata }) => metadata?.name)).toEqual([next]);
    expect(await sh(cli, next, 'read a </tmp/kept/file; echo $a')).toMatchObject({
      stdout: 'mine\n',
    });
    await cli(['destroy', next]);
    expect(await cli(['cache', 'purge', 'c'])).toMatchObject({ code: 0, stderr: '' });
    await nothingLeft(namespace);
  });

  it("is neither another user's, nor a foreign claim with its name", async () => {
    const backend = openBackend(namespace, { user: undefined, caches: volumes });
    const caches = [{ name: 'own', path: '/tmp/own' }];
    const create = { host: { ...host, caches }, signal: never, user: 'pool' };
    const seen: string[] = [];
    for (const cacheOwner of ['one', 'two', 'one']) {
      const { name } = await backend.create(builder, { ...create, cacheOwner });
      const client = await backend.connect(name);
      const output = new Collector();
      const args = ['-c', `cd /tmp/own; echo *; echo >of-${cacheOwner}`];
      await client.exec('sh', { systemLevel: true, args, output });
      seen.push(output.text);
      await client.disconnect();
      await backend.destroy(name, { signal: never });
    }
    expect(seen).toEqual(['*\n', '*\n', 'of-one\n']);
    expect((await backend.caches?.({ signal: never }))?.map(({ owner }) => owner).sort()).toEqual([
      'one',
      'two',
    ]);
    const { claim } = cacheClaim({ name: 'odd', path: 'x' }, 'one');
    await core.createNamespacedPersistentVolumeClaim({
      namespace,
      body: {
        metadata: { name: claim },
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
      },
    });
    const odd = { ...create, host: { ...host, caches: [{ name: 'odd', path: 'x' }] } };
    await expect(backend.create(builder, { ...odd, cacheOwner: 'one' })).rejects.toThrow(
      `the claim ${claim} is not a cache of gomote's`,
    );
    await nothingLeft(namespace);
  });
});
