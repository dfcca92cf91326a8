// How a buildlet in a pod ends without anybody's asking.
import { describe, expect, it } from 'vitest';
import type { Cli } from '../helpers/cli.ts';
import { until } from '../helpers/processes.ts';
import { clusterCli, core, makeNamespace, nothingLeft } from './cluster.ts';

const namespace = await makeNamespace();

describe('a buildlet in a pod', () => {
  it('ends by itself when it is idle, and reap removes what is left', async () => {
    const cli = clusterCli(namespace, 'idle-timeout = "4s"');
    const name = (await cli(['create', 'linux'])).stdout.trim();
    await until(async () => (await cli(['list'])).stdout.includes(`${name}\tlinux\tended`), 30_000);
    const used = await cli(['run', name, 'true']);
    expect(used).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('has died: Completed'),
    });
    expect((await cli(['reap'])).stdout).toContain(`pod ${name}: ended (Completed)\n`);
  });

  it('is ended by the cluster when its longest time is over, whatever runs', async () => {
    const cli = clusterCli(namespace, 'max-lifetime = "8s"');
    const name = (await cli(['create', 'linux'])).stdout.trim();
    const result = await cli(['run', name, 'sleep', '60']);
    // The buildlet is told to end, and ends the command: it may have time to say so.
    expect([125, 143]).toContain(result.code);
    await until(async () => (await cli(['list'])).stdout.includes('ended'), 30_000);
    expect((await cli(['list'])).stdout).toBe(`${name}\tlinux\tended: DeadlineExceeded\n`);
    expect((await cli(['reap'])).stdout).toBe(`pod ${name}: ended (DeadlineExceeded)\n`);
  });

  it('that is deleted while a command runs ends the command, and never as a success', async () => {
    const cli = clusterCli(namespace);
    const name = (await cli(['create', 'linux'])).stdout.trim();
    const running = cli(['run', name, 'sh', '-c', 'seq 1; sleep 60']);
    await sleeping(cli, name);
    await core.deleteNamespacedPod({ name, namespace, body: { gracePeriodSeconds: 0 } });
    const result = await running;
    expect(result.stdout).toBe('1\n');
    expect([125, 143]).toContain(result.code);
    const late = await cli(['run', name, 'true']);
    expect(late).toMatchObject({ code: 125, stderr: expect.stringContaining('no buildlet') });
  });

  it('that is killed while a command runs leaves its outcome unknown, and it is said why', async () => {
    const cli = clusterCli(namespace);
    const name = (await cli(['create', 'linux'])).stdout.trim();
    expect(await cli(['run', name, 'sh', '-c', 'kill -9 $PPID; sleep 60'])).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(
        /has died: (Error|OOMKilled|ContainerStatusUnknown): exit status 137/,
      ),
    });
  });
});

it('nothing is left of all of them', async () => {
  await nothingLeft(namespace);
});

/** Waits until the command that sleeps is running. */
async function sleeping(cli: Cli, name: string): Promise<void> {
  const isThere = async () => (await cli(['run', name, 'ps', 'ax'])).stdout.includes('sleep 60');
  await until(isThere, 30_000);
}
