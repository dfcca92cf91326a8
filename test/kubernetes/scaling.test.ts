// A pool that scales on the cluster: a minimum of pods is ready, more come with demand up to the maximum, and go again.
import { expect, it, vi } from 'vitest';
import { CoordinatorProcess } from '../helpers/coordinator-process.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { makeNamespace, podPool, pods } from './cluster.ts';

const namespace = await makeNamespace();

const toml = podPool(
  namespace,
  `minimum = 2
maximum = 4
scale-down-after = "10s"`,
);

it('a pool keeps its pods between minimum and maximum, by demand', async () => {
  const coordinator = new CoordinatorProcess({
    toml,
    environment: { HOME: temporaryDirectory() },
  });
  await coordinator.start();
  const client = coordinator.client();
  const count = async () =>
    (await pods(namespace)).filter(({ metadata }) => !metadata?.deletionTimestamp).length;
  const becomes = async (wanted: number) =>
    await vi.waitFor(async () => expect(await count()).toBe(wanted), {
      ...{ timeout: 120_000, interval: 200 },
    });
  await becomes(2);
  const first = await client.requestBuildlet('linux');
  // What was ready was taken, and is not made anew: there are still as many as the minimum. If none was ready yet, one
  // was made, which goes again.
  await becomes(2);
  const others = await Promise.all([1, 2, 3].map(() => client.requestBuildlet('linux')));
  await becomes(4);
  const waiting = new AbortController();
  const tooMany = client.requestBuildlet('linux', { signal: waiting.signal });
  tooMany.catch(() => undefined);
  const steps = async () => (await client.remoteBuildlets()).length;
  expect(await steps()).toBe(4);
  expect(await count()).toBe(4);
  waiting.abort();
  await expect(tooMany).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  for (const { name } of [first, ...others]) {
    const buildlet = client.namedBuildlet(name);
    await buildlet.halt();
    await buildlet.disconnect();
  }
  await becomes(2);
});
