// How a buildlet in a pod ends without anybody's asking.
import { describe, expect, it } from 'vitest';
import { clusterCli, core, created, makeNamespace, nothingLeft } from './cluster.ts';

const namespace = await makeNamespace();

describe('a buildlet in a pod', () => {
  it('ends by itself when it is idle, and reap removes what is left', async () => {
    // The slowest creation sees it running before.
    const cli = clusterCli(namespace, 'idle-timeout = "60s"');
    const name = await created(cli);
    await expect
      .poll(() => cli(['list']))
      .toMatchObject({
        stdout: expect.stringContaining(`${name}\tlinux\tended`),
      });
    const used = await cli(['run', name, 'true']);
    expect(used).toMatchObject({
      code: 125,
      stderr: expect.stringContaining('has died: Completed'),
    });
    expect((await cli(['reap'])).stdout).toContain(`pod ${name}: ended (Completed)\n`);
  });

  it('that is deleted while a command runs ends the command, and never as a success', async () => {
    const cli = clusterCli(namespace);
    const name = await created(cli);
    const running = cli(['run', name, 'sh', '-c', 'seq 1; sleep 600']);
    await expect
      .poll(() => cli(['run', name, 'ps', 'ax']))
      .toMatchObject({
        stdout: expect.stringContaining('sleep 600'),
      });
    await core.deleteNamespacedPod({ name, namespace, body: { gracePeriodSeconds: 0 } });
    const result = await running;
    expect(result.stdout).toBe('1\n');
    expect([125, 143]).toContain(result.code);
    const late = await cli(['run', name, 'true']);
    expect(late).toMatchObject({ code: 125, stderr: expect.stringContaining('no buildlet') });
  });

  it('that is killed while a command runs leaves its outcome unknown, and the error gives the reason', async () => {
    const cli = clusterCli(namespace);
    const name = await created(cli);
    expect(await cli(['run', name, 'sh', '-c', 'kill -9 $PPID; sleep 600'])).toMatchObject({
      code: 125,
      stderr: expect.stringMatching(
        /has died: (Error|OOMKilled|ContainerStatusUnknown): exit status 137/,
      ),
    });
  });
});

it('the tests of this file leave nothing', async () => {
  await nothingLeft(namespace);
});
