// The API server goes away and comes back, at any moment: what was asked for is made once, or not at all.
import { writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { Cluster } from '../../src/backends/kubernetes/cluster.ts';
import { PodWatch } from '../../src/backends/kubernetes/pod-watch.ts';
import { type Cutter, startCutter } from '../helpers/cutter.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';
import {
  builder,
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

/** How long the server is away, in ms. */
const outageMs = 1_500;

/** A relay to the API server and a backend that knows it only through that. */
async function behindRelay(user: string) {
  const cluster = kubeConfig.getCurrentCluster()!;
  const { hostname, port } = new URL(cluster.server);
  const cutter = await startCutter(`${hostname}:${port || 443}`);
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    {
      ...cluster,
      server: `https://${cutter.address}`,
      ...(isIP(hostname) === 0 && { tlsServerName: hostname }),
    },
    kubeConfig.getCurrentUser()!,
  );
  const file = join(temporaryDirectory(), 'kubeconfig');
  writeFileSync(file, config.exportConfig(), { mode: 0o600 });
  const environment = { KUBECONFIG: file, HOME: temporaryDirectory() };
  return { cutter, backend: openBackend(namespace, { environment, user }) };
}

function outage(cutter: Cutter): void {
  cutter.accepting = false;
  cutter.drop();
  setTimeout(() => {
    cutter.accepting = true;
  }, outageMs);
}

/** There is one pod of that user with its one Secret, and it goes. */
async function isMadeOnce(user: string): Promise<void> {
  const labelSelector = `role=buildlet,gomote/owner=${user}`;
  const { items } = await core.listNamespacedSecret({ namespace, labelSelector });
  expect([await pods(namespace, user), items].map(({ length }) => length)).toEqual([1, 1]);
  const backend = openBackend(namespace, { user });
  await backend.destroy((await pods(namespace, user))[0]!.metadata!.name!, { signal: never });
}

describe('a creation while the API server is away', () => {
  it.for(['before', 'creating pod', 'waiting for pod', 'waiting for the buildlet'])(
    'for a moment continues when it is back: %s',
    async (moment) => {
      const user = moment.replaceAll(' ', '-');
      const { cutter, backend } = await behindRelay(user);
      if (moment === 'before') outage(cutter);
      await backend.create(builder, {
        ...{ user, host, signal: never },
        onProgress: (step) => {
          if (step.startsWith(moment)) outage(cutter);
        },
      });
      await isMadeOnce(user);
    },
  );

  it('is made once, though the reply to any of its requests is lost', async () => {
    const count = Number(process.env.GOMOTE_TEST_LOST_REPLIES ?? 8);
    // What the server sends to a creation, from the first reply to the last.
    const { cutter: whole, backend } = await behindRelay('whole');
    await backend.create(builder, { user: 'whole', host, signal: never });
    await isMadeOnce('whole');
    for (let n = 0; n < count; n++) {
      const user = `lost-${n}`;
      const { cutter, backend } = await behindRelay(user);
      const afterBytes = Math.floor(((n + 0.5) / count) * whole.downBytes);
      cutter.plan = (connection) =>
        connection === 0 ? { kind: 'drop', direction: 'down', afterBytes } : undefined;
      await backend.create(builder, { user, host, signal: never });
      await isMadeOnce(user);
    }
  });

  it('is abandoned when it is cancelled, and nothing is left when the server is back', async () => {
    const { cutter, backend } = await behindRelay('gone');
    const cancel = new AbortController();
    const creation = backend.create(builder, {
      ...{ user: 'gone', host, signal: cancel.signal },
      onProgress: (step) => {
        if (!step.startsWith('waiting for pod')) return;
        outage(cutter);
        cancel.abort(new Error('cancelled'));
      },
    });
    await expect(creation).rejects.toThrow('cancelled');
    await nothingLeft(namespace, 'gone');
  });
});

describe('a watch', () => {
  it('that begins at a version the server has forgotten starts again', async () => {
    const options = { namespace, gate: () => undefined };
    let lists = 0;
    const cluster = new Cluster(kubeConfig, options);
    const forgetful = Object.assign(new Cluster(kubeConfig, options), {
      listPods: async (...args: Parameters<Cluster['listPods']>) => {
        lists++;
        return await cluster.listPods(...args);
      },
      watchPods: async (...args: Parameters<Cluster['watchPods']>) => {
        // As the server says it, which does only when it has much to forget.
        if (lists === 1) throw Object.assign(new Error('too old resource version'), { code: 410 });
        await cluster.watchPods(...args);
      },
    });
    const spec = { nodeSelector: { no: 'node' }, containers: [{ name: 'x', image: 'x' }] };
    const labels = { watched: 'yes' };
    const body = { metadata: { name: 'watched', labels }, spec };
    const pod = await core.createNamespacedPod({ namespace, body });
    const seen: (string | undefined)[] = [];
    const stop = new PodWatch(forgetful, 'watched=yes').listen(pod.metadata!.uid!, {
      onChange: (changed) => seen.push(changed?.metadata?.name),
      onError: (error) => seen.push(error.message),
    });
    await expect.poll(() => lists).toBe(2);
    await core.deleteNamespacedPod({ namespace, name: 'watched', body: { gracePeriodSeconds: 0 } });
    await expect.poll(() => [...seen]).toContain(undefined);
    stop();
    expect(new Set(seen)).toEqual(new Set(['watched', undefined]));
  });
});
