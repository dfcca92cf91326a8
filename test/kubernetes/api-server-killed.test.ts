// The API server's process is killed and started again. Runs where the process can be had, apart from other tests.
import { spawn } from 'node:child_process';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Cluster } from '../../src/backends/kubernetes/cluster.ts';
import {
  builder,
  core,
  host,
  kubeConfig,
  makeNamespace,
  never,
  nothingLeft,
  openBackend,
} from './cluster.ts';

const pidFile = String(process.env.GOMOTE_TEST_APISERVER_PID_FILE);
const namespace = await makeNamespace();

/** Kills it, and starts it again, as it was, after a while. */
async function killApiServer(awayMs: number): Promise<void> {
  const pid = Number(readFileSync(pidFile, 'utf8'));
  const [program = '', ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
    .split('\0')
    .slice(0, -1);
  const cwd = readlinkSync(`/proc/${pid}/cwd`);
  process.kill(pid, 'SIGKILL');
  await sleep(awayMs);
  const child = spawn(program, args, { cwd, detached: true, stdio: 'ignore' });
  child.unref();
  writeFileSync(pidFile, `${child.pid}\n`);
}

const serverIsBack = async (): Promise<void> => {
  await expect.poll(() => core.listNamespacedPod({ namespace })).toMatchObject({ kind: 'PodList' });
};

it.for(['creating pod', 'waiting for pod'])(
  'a creation continues when the API server is killed and comes back: %s',
  async (moment) => {
    const backend = openBackend(namespace);
    let back: Promise<void> | undefined;
    const { name } = await backend.create(builder, {
      ...{ user: 'me', host, signal: never },
      onProgress: (step) => {
        if (step.startsWith(moment)) back ??= killApiServer(500);
      },
    });
    await back;
    const listed = await backend.list({ signal: never });
    expect(listed.map(({ name, dead }) => [name, dead])).toContainEqual([name, undefined]);
    const client = await openBackend(namespace).connect(name);
    expect((await client.exec('true', { systemLevel: true })).ok).toBe(true);
    await client.disconnect();
    await backend.destroy(name, { signal: never });
    await serverIsBack();
  },
);

it('a buildlet that is in use is not disturbed by a restart of the API server', async () => {
  const backend = openBackend(namespace, { reach: 'direct' });
  const { name } = await backend.create(builder, { user: 'me', host, signal: never });
  const client = await backend.connect(name);
  const running = client.exec('sh', { args: ['-c', 'sleep 2; exit 5'], systemLevel: true });
  await killApiServer(500);
  expect((await running).exitCode).toBe(5);
  await client.disconnect();
  await serverIsBack();
  await backend.destroy(name, { signal: never });
});

it('a watch from before a restart of the API server is told that its place is forgotten', async () => {
  await killApiServer(100);
  await serverIsBack();
  const cluster = new Cluster(kubeConfig, { namespace, gate: () => undefined });
  const watch = cluster.watchPods('role=buildlet', '1', () => undefined, never);
  await expect(watch).rejects.toMatchObject({ code: 410 });
});

it('the tests of this file leave nothing', async () => {
  await nothingLeft(namespace);
});
