// Many buildlets, many clients, many owners.
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/backends/kubernetes/cluster.ts';
import {
  builder,
  clusterCli,
  core,
  host,
  kubeConfig,
  makeNamespace,
  never,
  nothingLeft,
  openBackend,
  pods,
} from './cluster.ts';

const namespace = await makeNamespace();
const create = { host, signal: never };

describe('the names of buildlets', () => {
  it('are given once, also to two clients that make many at the same time', async () => {
    const clients = [openBackend(namespace), openBackend(namespace)];
    const making = Array.from({ length: 6 }, (_, i) =>
      clients[i % 2]!.create(builder, { user: 'me', ...create }),
    );
    const names = (await Promise.all(making)).map(({ name }) => name);
    expect(new Set(names).size).toBe(6);
    const listed = await clients[0]!.list({ signal: never });
    expect(listed.map(({ name }) => name).sort()).toEqual(names.sort());
    await Promise.all(names.map((name) => clients[1]!.destroy(name, { signal: never })));
  });

  it('that other pods have are left alone', async () => {
    const name = 'other-linux-0';
    const spec = { nodeSelector: { no: 'node' }, containers: [{ name: 'x', image: 'x' }] };
    await core.createNamespacedPod({ namespace, body: { metadata: { name }, spec } });
    const cli = clusterCli(namespace);
    const other = (...argv: string[]) => cli(['--user', 'other', ...argv]);
    expect((await other('create', 'linux')).code).toBe(0);
    expect((await other('destroy', name)).stderr).toContain('no buildlet "other-linux-0"');
    expect((await core.readNamespacedPod({ namespace, name })).metadata?.name).toBe(name);
    await other('destroy', '--all');
    await core.deleteNamespacedPod({ namespace, name });
  });

  it('contain any user and type, and stay distinct when these look alike', async () => {
    const users = ['Some.One', 'some_one'];
    const made = await Promise.all(
      users.map((user) =>
        openBackend(namespace, { user }).create(
          { ...builder, name: 'Linux_64' },
          { user, ...create },
        ),
      ),
    );
    for (const { name } of made) expect(name).toMatch(/^some-one-linux-64-[a-z0-9]{5}$/);
    for (const [i, user] of users.entries()) {
      const backend = openBackend(namespace, { user });
      const expected = { name: made[i]?.name, owner: user, builderType: 'Linux_64' };
      expect(await backend.list({ signal: never })).toMatchObject([expected]);
      await backend.destroy(made[i]!.name, { signal: never });
    }
  });
});

describe('owners', () => {
  it('see and destroy only their own; a client without a user sees all', async () => {
    const cli = clusterCli(namespace);
    const as = (user: string, ...argv: string[]) => cli(['--user', user, ...argv]);
    const [anns, bobs] = (
      await Promise.all([as('ann', 'create', 'linux'), as('bob', 'create', 'linux')])
    ).map(({ stdout }) => stdout.trim());
    if (anns === undefined || bobs === undefined) throw new Error('a buildlet is missing');
    expect((await as('ann', 'list')).stdout).toMatch(new RegExp(`^${anns}\\t.*\\n$`));
    const refused = await as('ann', 'destroy', bobs);
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("is bob's; give --user bob"),
    });
    expect((await as('ann', 'run', bobs, 'true')).code).toBe(125);
    expect((await as('ann', 'destroy', '--all')).code).toBe(0);
    const everybody = openBackend(namespace, { user: undefined });
    const listed = await everybody.list({ signal: never });
    expect(listed.map(({ name, owner }) => [name, owner])).toContainEqual([bobs, 'bob']);
    await as('bob', 'destroy', '--all');
  });
});

describe('a list', () => {
  it('is complete though it comes in pages', async () => {
    const spec = { nodeSelector: { no: 'node' }, containers: [{ name: 'buildlet', image: 'x' }] };
    const names = Array.from({ length: 50 }, (_, n) => `crowd-linux-${n}`);
    const labels = { role: 'buildlet', 'gomote/owner': 'crowd' };
    const annotations = { 'gomote/owner': 'crowd', 'gomote/builder-type': 'linux' };
    await Promise.all(
      names.map((name) =>
        core.createNamespacedPod({
          namespace,
          body: { metadata: { name, labels, annotations }, spec },
        }),
      ),
    );
    const cluster = new Cluster(kubeConfig, { namespace, gate: () => undefined, pageSize: 7 });
    const paged = await cluster.listPods('gomote/owner=crowd', {});
    expect(paged.pods.map(({ metadata }) => metadata?.name)).toEqual([...names].sort());
    const listed = await openBackend(namespace, { user: 'crowd' }).list({ signal: never });
    expect(listed.map(({ name }) => name)).toEqual([...names].sort());
    const cli = clusterCli(namespace);
    expect((await cli(['--user', 'crowd', 'destroy', '--all'])).code).toBe(0);
    expect((await pods(namespace, 'crowd')).length).toBe(0);
  });
});

it('the tests of this file leave nothing', async () => {
  await nothingLeft(namespace);
});
