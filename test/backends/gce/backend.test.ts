import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Backend, CreateCall } from '../../../src/backends/backend.ts';
import { GceBackend } from '../../../src/backends/gce/backend.ts';
import type { GceConfig } from '../../../src/backends/gce/config.ts';
import type { BuilderType, GceMachine } from '../../../src/builders.ts';
import { GomoteError } from '../../../src/errors.ts';
import {
  bearer,
  fakeCompute,
  hostType,
  project,
  vmPort,
  zoneA,
  zoneB,
  zoneF,
} from '../../helpers/compute/fixture.ts';
import type { FakeCompute } from '../../helpers/compute/server.ts';
import { times } from '../../helpers/counts.ts';
import { until } from '../../helpers/processes.ts';
import { random } from '../../helpers/random.ts';

const builder: BuilderType = { name: 'linux', hostType: 'host-linux', env: [] };
const { signal } = new AbortController();

interface Changes extends Partial<GceConfig> {
  user?: string | undefined;
}

function open(fake: FakeCompute, changes: Changes = {}): GceBackend {
  return new GceBackend(
    {
      ...{ kind: 'gce', name: 'vms', project, zones: [zoneA, zoneF], endpoint: fake.endpoint },
      ...{ port: vmPort, externalIp: true, apiRate: 1_000, user: 'me', auth: bearer() },
      ...{ idleTimeoutMs: 1_800_000, maxLifetimeMs: 86_400_000, environment: {} },
      ...changes,
    },
    undefined,
  );
}

const create = (
  backend: Backend,
  call: Partial<CreateCall> = {},
  machine: Partial<GceMachine> = {},
) => backend.create(builder, { user: 'me', host: hostType(machine), signal, ...call });

const names = (instances: readonly { name: string }[]) => instances.map(({ name }) => name);

async function fakeWithMachinesHere(): Promise<FakeCompute> {
  const fake = await fakeCompute();
  fake.api.plan.machine = () => 'here';
  return fake;
}

/** The first machine again, under another name. */
function copyOf(fake: FakeCompute, name: string) {
  const [one] = fake.api.instances;
  return {
    ...structuredClone(one!),
    name,
    metadata: {
      items: one!.metadata!.items!.map((item) =>
        item.key === 'gomote-name' ? { key: 'gomote-name', value: name } : item,
      ),
    },
  };
}

describe('the gce backend', () => {
  it('makes a buildlet that every client with rights finds, uses and destroys', async () => {
    const fake = await fakeCompute();
    const steps: string[] = [];
    const made = await create(open(fake), { onProgress: (step) => steps.push(step) });
    const { name } = made;
    expect(name).toMatch(/^me-linux-[a-z0-9]{5}$/);
    expect(made).toMatchObject({
      ...{ owner: 'me', builderType: 'linux', hostType: 'host-linux' },
      dead: undefined,
    });
    expect(Math.abs(made.created!.getTime() - Date.now())).toBeLessThan(30_000);
    expect(made.expires!.getTime()).toBeGreaterThan(Date.now() + 29 * 60_000);
    expect(steps).toEqual([
      `asking for ${name} in ${zoneA}`,
      `waiting for ${name} in ${zoneA}`,
      `waiting for the buildlet on ${name}`,
    ]);
    const other = open(fake);
    expect(await other.list({ signal })).toEqual([made]);
    const client = await other.connect(name);
    expect(
      await client.exec('/bin/sh', { systemLevel: true, args: ['-c', 'exit 7'] }),
    ).toMatchObject({
      exitCode: 7,
    });
    await client.disconnect();
    const { pid } = fake.api.machineOf(zoneA, name)!;
    await other.destroy(name, { signal });
    await until(() => fake.api.instances.length === 0);
    expect(() => process.kill(pid!, 0)).toThrow('ESRCH');
    expect(await other.list({ signal })).toEqual([]);
    await expect(other.connect(name)).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_BUILDLET',
    });
    await expect(other.destroy(name, { signal })).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_BUILDLET',
    });
  });

  it('keeps an image of a machine, makes later machines from it, and removes it', async () => {
    const fake = await fakeWithMachinesHere();
    const backend = open(fake);
    const { name } = await create(backend);
    const id = '0123456789abcdef01234567';
    const kept = await backend.keepImage(name, { id, signal });
    const image = `projects/${project}/global/images/gomote-snapshot-${id}`;
    expect(kept).toEqual({ image, bytes: 123_456 });
    expect([...fake.api.images.values()]).toMatchObject([
      { status: 'READY', labels: { gomote: 'snapshot', gomote_owner: 'me' } },
    ]);
    // Nothing of the machine's metadata, such as its password, is in it.
    expect(
      Object.keys(fake.exchanges.find(({ verb }) => verb === 'images.insert')?.body ?? {}),
    ).toEqual(['name', 'description', 'sourceDisk', 'labels']);
    await create(backend, { image: kept.image });
    const [, made] = fake.exchanges.filter(({ verb }) => verb === 'instances.insert');
    expect(made?.body).toMatchObject({ disks: [{ initializeParams: { sourceImage: image } }] });
    await backend.removeImage(id, { signal });
    await backend.removeImage(id, { signal });
    expect(fake.api.images.size).toBe(0);
    const other = open(fake, { user: 'other' });
    await expect(other.keepImage(name, { id, signal })).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_BUILDLET',
    });
  });

  it('shows the labels of a buildlet to its creator and in lists', async () => {
    const fake = await fakeWithMachinesHere();
    const labels = { branch: 'feature/x y' };
    expect((await create(open(fake), { labels })).labels).toEqual(labels);
    expect((await open(fake).list({ signal })).map((one) => one.labels)).toEqual([labels]);
  });

  it('limits the life of its machines by the platform and by their own timer', async () => {
    const fake = await fakeWithMachinesHere();
    await create(open(fake));
    const [machine] = fake.api.instances;
    expect(machine!.scheduling).toMatchObject({
      maxRunDuration: { seconds: '86400' },
      instanceTerminationAction: 'DELETE',
    });
    expect(machine!.metadata!.items).toContainEqual({ key: 'idle-timeout', value: '30m0s' });
    const endless = await create(open(fake, { idleTimeoutMs: 0, maxLifetimeMs: 0 }));
    expect(endless.expires).toBeUndefined();
    expect(fake.api.instances[1]!.scheduling).not.toHaveProperty('maxRunDuration');
  });

  it('shows a buildlet that has ended by itself as stopped until it is reaped', async () => {
    const fake = await fakeCompute();
    // A loaded machine takes seconds from the buildlet's start to its first request.
    const backend = open(fake, { idleTimeoutMs: 10_000 });
    const { name } = await create(backend);
    const client = await backend.connect(name);
    await until(() => fake.api.instances[0]?.status === 'TERMINATED');
    expect(fake.api.machineOf(zoneA, name)!.log).toContain('it has been idle');
    const error = await client.status().catch((reason) => reason);
    await client.disconnect();
    expect(await backend.explain(name, error)).toMatchObject({
      code: 'ERR_BUILDLET_DIED',
      message: `the machine of "${name}" is stopped`,
    });
    expect(await backend.list({ signal })).toMatchObject([{ name, dead: 'stopped' }]);
    await expect(backend.connect(name)).rejects.toMatchObject({ code: 'ERR_MACHINE' });
    expect(await backend.reap({ signal })).toEqual([`VM ${name} in ${zoneA}: stopped`]);
    await until(() => fake.api.instances.length === 0);
    expect(await backend.explain(name, error)).toMatchObject({
      code: 'ERR_UNKNOWN_BUILDLET',
    });
    expect(await backend.reap({ signal })).toEqual([]);
  });

  it('gives six buildlets that are created at once six names, also from two clients in two zones', async () => {
    const fake = await fakeWithMachinesHere();
    const backends = [open(fake), open(fake, { zones: [zoneB] })];
    const made = await Promise.all(
      backends.flatMap((backend) => Array.from({ length: 3 }, () => create(backend))),
    );
    expect(new Set(names(made)).size).toBe(6);
    await until(() => fake.api.instances.length === 6);
    expect(names(await backends[0]!.list({ signal })).sort()).toEqual(names(made).sort());
    expect(new Set(fake.api.instances.map(({ zone }) => zone)).size).toBe(2);
  });

  it('takes another name when the platform reports that a name is taken', async () => {
    const fake = await fakeWithMachinesHere();
    const asked: string[] = [];
    fake.fault = (verb) =>
      verb === 'instances.insert' && fake.count(verb) < 2
        ? { status: 409, reason: 'alreadyExists', message: 'taken' }
        : undefined;
    const onProgress = (step: string) =>
      void asked.push(...(/for (me-\S+)/.exec(step) ?? []).slice(1));
    const { name } = await create(open(fake), { onProgress });
    expect(asked.at(-1)).toBe(name);
    expect(asked[0]).not.toBe(name);
    expect(fake.api.instances.map((one) => one.name)).toEqual([name]);
  });

  it('never gives a name again that a buildlet had on another computer', async () => {
    const fake = await fakeWithMachinesHere();
    const old = await create(open(fake));
    await open(fake).destroy(old.name, { signal });
    await until(() => fake.api.instances.length === 0);
    const made = await create(open(fake));
    expect(made.name).not.toBe(old.name);
    await expect(open(fake).destroy(old.name, { signal })).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_BUILDLET',
    });
  });

  it('gives machines names that the platform permits, and buildlets their usual names', async () => {
    const fake = await fakeWithMachinesHere();
    const backend = open(fake, { user: 'J.Doe_2' });
    const made = await create(backend, { user: 'J.Doe_2' });
    expect(made.name).toMatch(/^J\.Doe_2-linux-[a-z0-9]{5}$/);
    expect(fake.api.instances[0]!.name).toMatch(/^g-j-doe-2-linux-[a-z0-9]{5}-[0-9a-f]{8}$/);
    await (await backend.connect(made.name)).disconnect();
    await backend.destroy(made.name, { signal });
    await until(() => fake.api.instances.length === 0);
  });

  it('keeps owners apart, and without a user lists everybody’s buildlets', async () => {
    const fake = await fakeWithMachinesHere();
    const { name } = await create(open(fake));
    const hers = open(fake, { user: 'you' });
    const { name: theirs } = await create(hers, { user: 'you' });
    expect(names(await open(fake).list({ signal }))).toEqual([name]);
    expect(names(await hers.list({ signal }))).toEqual([theirs]);
    await expect(hers.connect(name)).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_BUILDLET',
    });
    await expect(hers.destroy(name, { signal })).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_BUILDLET',
    });
    const all = open(fake, { user: undefined });
    expect(names(await all.list({ signal })).sort()).toEqual([name, theirs].sort());
    await (await all.connect(theirs)).disconnect();
  });

  it('lists more than one page of buildlets, and nothing else', async () => {
    const fake = await fakeWithMachinesHere();
    const backend = open(fake);
    const { name } = await create(backend);
    for (let n = 1; n < 1_203; n++) {
      fake.api.add(n % 2 ? zoneA : zoneB, copyOf(fake, `me-linux-${n}`));
    }
    for (let n = 0; n < 9; n++) fake.api.add(zoneA, { name: `other-${n}` });
    const first = fake.count('instances.aggregatedList');
    const listed = names(await backend.list({ signal }));
    const copies = Array.from({ length: 1_202 }, (_, n) => `me-linux-${n + 1}`);
    expect(listed).toEqual([...copies, name]);
    expect(fake.count('instances.aggregatedList') - first).toBe(3);
  });

  it('records that a buildlet is in use, once a minute', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    onTestFinished(() => void vi.useRealTimers());
    const fake = await fakeWithMachinesHere();
    const { name } = await create(open(fake));
    const shown = async () => (await open(fake).list({ signal }))[0]!.expires!.getTime();
    const before = await shown();
    const backend = open(fake);
    const use = async (user = backend) => {
      await (await user.connect(name)).disconnect();
      await user.renew(name, { signal });
    };
    await use();
    expect(fake.count('instances.setLabels')).toBe(0);
    vi.setSystemTime(Date.now() + 61_000);
    // Another client that comes first has written it; then there is nothing to write.
    await use(open(fake));
    await use();
    await use();
    expect(fake.count('instances.setLabels')).toBe(1);
    expect((await shown()) - before).toBeGreaterThanOrEqual(60_000);
    vi.setSystemTime(Date.now() + 61_000);
    await backend.renew(name, { signal });
    expect(fake.count('instances.setLabels')).toBe(2);
    // Of two at once one loses, and its writing is made up for by the other's.
    vi.setSystemTime(Date.now() + 61_000);
    const both = [open(fake), open(fake)];
    await Promise.all(both.map((user) => user.connect(name).then((c) => c.disconnect())));
    await Promise.all(both.map((user) => user.renew(name, { signal })));
    expect((await shown()) - before).toBeGreaterThanOrEqual(180_000);
  });

  it('remembers machines that it has found for a renewal, up to a limit', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() });
    onTestFinished(() => void vi.useRealTimers());
    const fake = await fakeWithMachinesHere();
    await create(open(fake));
    for (let n = 0; n < 300; n++) fake.api.add(zoneA, copyOf(fake, `me-linux-${n}`));
    const backend = open(fake);
    for (let n = 0; n < 300; n++) await (await backend.connect(`me-linux-${n}`)).disconnect();
    const lookedUp = async (name: string) => {
      const before = fake.count('instances.aggregatedList') + fake.count('instances.get');
      await backend.renew(name, { signal });
      return fake.count('instances.aggregatedList') + fake.count('instances.get') - before;
    };
    expect(await lookedUp('me-linux-299')).toBe(0);
    expect(await lookedUp('me-linux-0')).toBeGreaterThan(0);
  });

  it('reaps machines past their time, also those of another tool, and leaves the others', async () => {
    const fake = await fakeWithMachinesHere();
    const backend = open(fake);
    await create(backend);
    const overdue = String(Math.floor(Date.now() / 1_000) - 60);
    const items = (more: { key: string; value: string }[]) => ({ metadata: { items: more } });
    fake.api.add(zoneB, {
      name: 'old',
      ...items([
        { key: 'buildlet-host-type', value: 'host-linux' },
        { key: 'delete-at', value: overdue },
      ]),
    });
    fake.api.add(zoneB, { name: 'no-buildlet', ...items([{ key: 'delete-at', value: overdue }]) });
    fake.api.add(zoneB, {
      name: 'stopped-not-ours',
      status: 'TERMINATED',
      ...items([{ key: 'buildlet-host-type', value: 'host-linux' }]),
    });
    expect(await backend.reap({ signal })).toEqual([
      expect.stringMatching(/^VM old in europe-west1-b: to be deleted since 20/),
    ]);
    await until(() => fake.api.instances.length === 3);
    fake.api.add(zoneB, {
      name: 'old',
      ...items([
        { key: 'buildlet-host-type', value: 'host-linux' },
        { key: 'delete-at', value: overdue },
      ]),
    });
    fake.fault = (verb) =>
      verb === 'instances.delete' ? { status: 403, reason: 'forbidden', message: 'no' } : undefined;
    await expect(backend.reap({ signal })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  });

  it('takes a machine at full price, under another name, when there is no cheaper one', async () => {
    const fake = await fakeWithMachinesHere();
    fake.api.plan.insertError = ({ scheduling }) =>
      scheduling?.provisioningModel === 'SPOT'
        ? { code: 'ZONE_RESOURCE_POOL_EXHAUSTED', message: 'none' }
        : undefined;
    const backend = open(fake);
    const asked = new Set<string>();
    const onProgress = (step: string) => void asked.add(/for (me-\S+)/.exec(step)?.[1] ?? '');
    const made = await create(backend, { onProgress }, { pricing: 'spot' });
    expect([...asked].at(-1)).toBe(made.name);
    expect([...asked][0]).not.toBe(made.name);
    expect(names(await backend.list({ signal }))).toEqual([made.name]);
    expect(fake.api.instances[0]!.scheduling!.preemptible).toBe(false);
  });

  it('fails with the error of the platform, and leaves nothing', async () => {
    const fake = await fakeCompute();
    fake.api.plan.insertError = () => ({
      code: 'QUOTA_EXCEEDED',
      message: "Quota 'CPUS' exceeded",
    });
    const backend = open(fake);
    await expect(create(backend)).rejects.toMatchObject({
      code: 'ERR_QUOTA',
      reason: 'QUOTA_EXCEEDED',
    });
    expect(fake.api.instances).toEqual([]);
    const local = { name: 'host-local' };
    await expect(create(backend, { host: local })).rejects.toMatchObject({
      code: 'ERR_UNKNOWN_TYPE',
      hint: expect.stringContaining('[hosts.host-local.gce]'),
    });
  });

  it('cancelled at any moment leaves nothing', async () => {
    const fake = await fakeWithMachinesHere();
    const count = times(8, 200);
    const backend = open(fake);
    for (let i = 0; i < count; i++) {
      const cancel = new AbortController();
      const reason = new GomoteError('ERR_ABORTED', 'ended by SIGINT');
      const timer = setTimeout(() => cancel.abort(reason), random(400));
      const made = await create(backend, { signal: cancel.signal }).catch((error) => {
        expect(error).toBe(reason);
        return undefined;
      });
      clearTimeout(timer);
      // A creation that was quicker than its cancellation stands.
      if (made !== undefined) await backend.destroy(made.name, { signal });
      await until(() => fake.api.instances.length === 0);
    }
  });

  it('destroys a machine whose buildlet does not answer, and one that is gone meanwhile', async () => {
    const fake = await fakeWithMachinesHere();
    const backend = open(fake);
    const silent = await create(backend);
    const halted = await backend.connect(silent.name);
    await fake.api.machineOf(zoneA, silent.name)!.kill();
    await halted.disconnect();
    await backend.destroy(silent.name, { signal });
    await until(() => fake.api.instances.length === 0);
    const { name } = await create(backend);
    fake.fault = (verb) => {
      if (verb === 'instances.delete') void fake.api.delete(zoneA, name);
      return verb === 'instances.delete' ? { status: 404, reason: 'notFound' } : undefined;
    };
    await backend.destroy(name, { signal });
    await until(() => fake.api.instances.length === 0);
  });
});
