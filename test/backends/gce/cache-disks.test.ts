// Caches of virtual machines, on disks of the fake Compute API.
import { describe, expect, it } from 'vitest';
import type { CreateCall } from '../../../src/backends/backend.ts';
import { GceBackend } from '../../../src/backends/gce/backend.ts';
import type { GceConfig } from '../../../src/backends/gce/config.ts';
import type { Cache } from '../../../src/protocol/cache.ts';
import {
  bearer,
  fakeCompute,
  hostType,
  project,
  vmPort,
  zoneA,
  zoneF,
} from '../../helpers/compute/fixture.ts';
import type { FakeCompute } from '../../helpers/compute/server.ts';
import { until } from '../../helpers/processes.ts';

const { signal } = new AbortController();
const builder = { name: 'linux', hostType: 'host-linux', env: [] };
const npm: Cache = { name: 'npm', path: '~/.npm', mode: 'exclusive' };
const gib = 1024 ** 3;

async function fakeWithMachinesHere(): Promise<FakeCompute> {
  const fake = await fakeCompute();
  fake.api.plan.machine = () => 'here';
  return fake;
}

function open(fake: FakeCompute, changes: Partial<GceConfig> & { user?: string } = {}): GceBackend {
  return new GceBackend(
    {
      ...{ kind: 'gce', name: 'vms', project, zones: [zoneA, zoneF], endpoint: fake.endpoint },
      ...{ port: vmPort, externalIp: true, apiRate: 1_000, user: 'me', auth: bearer() },
      ...{ idleTimeoutMs: 1_800_000, maxLifetimeMs: 86_400_000, environment: {} },
      caches: { sizeBytes: 20 * gib, type: 'pd-ssd' },
      ...changes,
    },
    undefined,
  );
}

const create = (backend: GceBackend, caches: readonly Cache[], call: Partial<CreateCall> = {}) =>
  backend.create(builder, { user: 'me', host: { ...hostType(), caches }, signal, ...call });

const disksOf = (fake: FakeCompute) => [...fake.api.disks.all.values()];

/** The disks of the nth machine that was asked for, without its boot disk. */
function asked(fake: FakeCompute, nth: number): object[] {
  const requests = fake.exchanges.filter(({ verb }) => verb === 'instances.insert');
  return (requests[nth]!.body as { disks: object[] }).disks.slice(1);
}

describe('a cache of virtual machines', () => {
  it('is a disk that outlives them: made with the first, given to the next, listed, purged', async () => {
    const fake = await fakeWithMachinesHere();
    const backend = open(fake);
    const one = await create(backend, [npm, { ...npm, name: 'Go_Build', path: 'x', maxBytes: 1 }]);
    const [disk, small] = disksOf(fake);
    expect(disk).toMatchObject({
      name: expect.stringMatching(/^gomote-cache-npm-[0-9a-f]{12}$/),
      sizeGb: '20',
      type: expect.stringMatching(/pd-ssd$/),
      labels: { gomote: 'cache', gomote_owner: 'me' },
    });
    expect(small).toMatchObject({ sizeGb: '10' });
    const metadata = fake.api.instances[0]!.metadata!.items!;
    const device = (of: typeof disk) => `/dev/disk/by-id/google-cache-${of!.name!.slice(-12)}`;
    expect(metadata).toContainEqual({
      key: 'cache-disks',
      value: `~/.npm:${device(disk)}\nx:${device(small)}`,
    });
    const shown = { owner: 'me', machine: zoneA, used: expect.any(Date) };
    expect(await backend.caches?.({ signal })).toEqual([
      { ...shown, name: 'Go_Build', bytes: 10 * gib, buildlets: [one.name] },
      { ...shown, name: 'npm', bytes: 20 * gib, buildlets: [one.name] },
    ]);
    await expect(backend.purgeCache?.('npm', { signal })).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: `the cache "npm" is in use by ${one.name}, which has it for itself`,
    });

    await backend.destroy(one.name, { signal });
    await until(() => fake.api.instances.length === 0);
    expect(await backend.reap({ signal })).toEqual([]);
    expect(await backend.caches?.({ signal })).toMatchObject([
      { buildlets: [] },
      { buildlets: [] },
    ]);
    const two = await create(backend, [npm]);
    expect(asked(fake, 1)).toMatchObject([
      {
        source: `projects/${project}/zones/${zoneA}/disks/${disk!.name}`,
        ...{ mode: 'READ_WRITE', autoDelete: false },
      },
    ]);
    expect(disksOf(fake)).toHaveLength(2);
    await backend.destroy(two.name, { signal });
    await until(() => fake.api.instances.length === 0);

    expect(await backend.purgeCache?.('npm', { signal })).toBe(true);
    expect(await backend.purgeCache?.('npm', { signal })).toBe(false);
    expect(disksOf(fake).map(({ name }) => name)).toEqual([small!.name]);
  });

  it('is had by one machine at a time, and the one that has it is named', async () => {
    const fake = await fakeWithMachinesHere();
    const { name } = await create(open(fake), [npm]);
    const taken = {
      code: 'ERR_CONFLICT',
      message: `the cache "npm" is in use by ${name}, which has it for itself`,
    };
    await expect(create(open(fake), [npm])).rejects.toMatchObject(taken);
    await create(open(fake, { user: 'you' }), [npm], { user: 'you' });
    expect(fake.api.instances).toHaveLength(2);
    expect(await open(fake).caches?.({ signal })).toHaveLength(1);
  });

  it.each([
    ['is new', true],
    ['is there', false],
  ])(
    'whose disk %s is given to one of several machines that are made at once',
    async (_what, isNew) => {
      const fake = await fakeWithMachinesHere();
      if (!isNew) {
        const { name } = await create(open(fake), [npm]);
        await open(fake).destroy(name, { signal });
        await until(() => fake.api.instances.length === 0);
      }
      const results = await Promise.allSettled([1, 2, 3].map(() => create(open(fake), [npm])));
      const made = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value.name] : []));
      expect(made).toHaveLength(1);
      for (const result of results) {
        if (result.status === 'fulfilled') continue;
        expect(result.reason).toMatchObject({
          code: 'ERR_CONFLICT',
          message: `the cache "npm" is in use by ${made[0]}, which has it for itself`,
        });
      }
      expect(fake.api.instances.map(({ name }) => name)).toEqual(made);
      expect(disksOf(fake)).toHaveLength(1);
    },
  );

  it('waits for the end of a machine that is being deleted, and takes its disk from a stopped one', async () => {
    const fake = await fakeWithMachinesHere();
    const backend = open(fake);
    const { name } = await create(backend, [npm]);
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    fake.api.plan.beforeStep = ({ operationType }) =>
      operationType === 'delete' ? held : undefined;
    await backend.destroy(name, { signal });
    const steps: string[] = [];
    const onProgress = (step: string) => {
      steps.push(step);
      if (step === `waiting until ${name} has ended`) letGo();
    };
    const next = await create(backend, [npm], { onProgress });
    expect(steps.filter((step) => step === `waiting until ${name} has ended`)).toHaveLength(1);

    // It powers its machine off.
    await (await backend.connect(next.name)).halt();
    await until(() => fake.api.instances[0]?.status === 'TERMINATED');
    expect(await backend.caches?.({ signal })).toMatchObject([{ buildlets: [] }]);
    const last = await create(backend, [npm]);
    expect(fake.count('instances.detachDisk')).toBe(1);
    expect(await backend.caches?.({ signal })).toMatchObject([{ buildlets: [last.name] }]);
  });

  it('keeps its machines in its zone, also when another has room', async () => {
    const fake = await fakeWithMachinesHere();
    fake.api.plan.insertError = (_instance, zone) =>
      zone === zoneA
        ? { code: 'ZONE_RESOURCE_POOL_EXHAUSTED', message: 'no room there' }
        : undefined;
    const { name } = await create(open(fake), [npm]);
    expect(disksOf(fake)).toMatchObject([{ zone: expect.stringMatching(`/${zoneF}$`) }]);
    await open(fake).destroy(name, { signal });
    await until(() => fake.api.instances.length === 0);
    fake.api.plan.insertError = () => undefined;
    await create(open(fake), [npm]);
    expect(fake.api.instances).toMatchObject([{ zone: expect.stringMatching(`/${zoneF}$`) }]);
    const other: Cache = { name: 'go', path: 'go', mode: 'exclusive' };
    await create(open(fake), [other]);
    await Promise.all(
      fake.api.instances.map((one) => open(fake).destroy(one.name ?? '', { signal })),
    );
    await until(() => fake.api.instances.length === 0);
    await expect(create(open(fake), [npm, other])).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: `the disks of the caches are in different zones: ${zoneF} and ${zoneA}`,
    });
  });

  it('is refused by a buildlet that mounts none: its machine is removed, the disk stays for the next', async () => {
    const fake = await fakeWithMachinesHere();
    fake.api.plan.machine = () => 'old';
    await expect(create(open(fake), [npm])).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: expect.stringMatching(/^the buildlet of me-linux-\S+ mounts no caches$/),
      hint: expect.stringContaining('put a newer one into the image of its host type'),
    });
    await until(() => fake.api.instances.length === 0);
    expect(await open(fake).caches?.({ signal })).toMatchObject([{ name: 'npm', buildlets: [] }]);
    // Without caches, any buildlet will do.
    await open(fake).create(builder, { user: 'me', host: hostType(), signal });
    fake.api.plan.machine = () => 'here';
    await create(open(fake), [npm]);
    expect(disksOf(fake)).toHaveLength(1);
  });

  it('is not made of a disk that somebody else has made', async () => {
    const fake = await fakeWithMachinesHere();
    const { name } = await create(open(fake), [npm]);
    await open(fake).destroy(name, { signal });
    await until(() => fake.api.instances.length === 0);
    disksOf(fake)[0]!.labels = {};
    await expect(create(open(fake), [npm])).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: expect.stringMatching(/^the disk gomote-cache-npm-\S+ is not a cache of gomote's$/),
    });
    expect(await open(fake).caches?.({ signal })).toEqual([]);
  });

  it('cannot be shared', async () => {
    const fake = await fakeWithMachinesHere();
    await expect(create(open(fake), [{ name: 'npm', path: 'x' }])).rejects.toMatchObject({
      code: 'ERR_UNSUPPORTED',
      hint: expect.stringContaining('give it mode = "exclusive"'),
    });
    expect(fake.exchanges).toEqual([]);
  });
});
