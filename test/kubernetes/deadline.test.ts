// How the cluster ends a buildlet.
import { expect, it } from 'vitest';
import { clusterCli, created, makeNamespace } from './cluster.ts';

const namespace = await makeNamespace();

it('a buildlet in a pod is ended by the cluster at its maximum age, whatever runs', async () => {
  const cli = clusterCli(namespace, 'max-lifetime = "60s"');
  const name = await created(cli);
  const result = await cli(['run', name, 'sleep', '600']);
  // The buildlet is told to end, and ends the command: it may have time to say so.
  expect([125, 143]).toContain(result.code);
  await expect
    .poll(() => cli(['list']))
    .toMatchObject({
      stdout: `${name}\tlinux\tended: DeadlineExceeded\n`,
    });
  expect((await cli(['reap'])).stdout).toBe(`pod ${name}: ended (DeadlineExceeded)\n`);
});
