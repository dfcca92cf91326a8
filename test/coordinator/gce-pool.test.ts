// Virtual machines handed out by a coordinator.
import { expect, it, onTestFinished, vi } from 'vitest';
import { Collector } from '../helpers/collect.ts';
import { fakeCompute, vmPool } from '../helpers/compute/fixture.ts';
import type { FakeCompute } from '../helpers/compute/server.ts';
import { startCoordinator } from '../helpers/coordinator.ts';
import { startMetadataServer } from '../helpers/metadata-server.ts';
import { until } from '../helpers/processes.ts';

async function cloud(): Promise<FakeCompute> {
  const fake = await fakeCompute();
  fake.api.plan.machine = () => 'here';
  fake.token = 'of-the-machine';
  const metadata = await startMetadataServer({}, fake.token);
  vi.stubEnv('GCE_METADATA_HOST', metadata.host);
  vi.stubEnv('METADATA_SERVER_DETECTION', 'assume-present');
  vi.stubEnv('HOME', '/nonexistent');
  onTestFinished(() => {
    metadata.close();
    vi.unstubAllEnvs();
  });
  return fake;
}

it('a coordinator makes, uses and ends virtual machines, and leaves those of another coordinator', async () => {
  const fake = await cloud();
  const options = { machines: 1, sections: vmPool(fake, 3) };
  const coordinator = await startCoordinator(options);
  const other = await startCoordinator(options);
  const { signal } = new AbortController();
  const [mine, theirs] = await Promise.all(
    [coordinator, other].map((one) => one.client('me').requestBuildlet('vm', { signal })),
  );
  expect(fake.api.instances).toHaveLength(2);
  const buildlet = coordinator.client('me').namedBuildlet(mine!.name);
  onTestFinished(() => buildlet.disconnect());
  const output = new Collector();
  await buildlet.exec('echo', { systemLevel: true, args: ['on a machine'], output });
  expect(output.text).toBe('on a machine\n');
  // A coordinator that starts anew takes over its own and touches no other's.
  await coordinator.restart();
  expect(fake.api.instances.map(({ status }) => status)).toEqual(['RUNNING', 'RUNNING']);
  const listed = await coordinator.client('me').remoteBuildlets({ signal });
  expect(listed.map(({ name }) => name)).toContain(mine!.name);
  await buildlet.halt();
  await until(() => fake.api.instances.length === 1);
  const left = other.client('me').namedBuildlet(theirs!.name);
  onTestFinished(() => left.disconnect());
  expect((await left.status()).version).toBe(11);
  await left.halt();
  await until(() => fake.api.instances.length === 0);
});

it('a coordinator keeps the minimum of virtual machines, makes more on demand, and ends surplus ones', async () => {
  const fake = await cloud();
  const scaling = 'minimum = 1\nscale-down-after = "1s"\n';
  const coordinator = await startCoordinator({ machines: 1, sections: vmPool(fake, 3) + scaling });
  const { signal } = new AbortController();
  const client = coordinator.client('me');
  const warm = () => coordinator.coordinator.views.of({ name: 'me', isAdmin: true }).pools[1]?.warm;
  await until(() => warm() === 1);
  const made = [];
  for (let n = 0; n < 3; n++) made.push(await client.requestBuildlet('vm', { signal }));
  expect(fake.api.instances).toHaveLength(3);
  for (const { name } of made) {
    const buildlet = client.namedBuildlet(name);
    await buildlet.halt();
    await buildlet.disconnect();
  }
  // After the time without use one is left, another than those that were used.
  await until(() => fake.api.instances.length === 1 && warm() === 1);
  // A coordinator that starts anew leaves none behind.
  await coordinator.restart();
  await until(() => fake.api.instances.length === 1 && warm() === 1);
});
