// startPod and what the library shows of it.
import { expect, it, onTestFinished } from 'vitest';
import { newKeyPair, type StartPodOptions, startPod } from '../../src/index.ts';
import { core, host, kubeConfig, makeNamespace, nothingLeft, pods, reach } from './cluster.ts';

const namespace = await makeNamespace();
const options = { projectId: 'team', imageRegistry: 'registry.example', namespace, reach } as const;

it('startPod gives a client of a pod with the labels, times and key that were given', async () => {
  const tls = await newKeyPair();
  const told: string[] = [];
  const client = await startPod(kubeConfig, 'my-pod', host, {
    ...options,
    tls,
    description: 'a pod for a test',
    labels: { team: 'tools' },
    deleteInMs: 600_000,
    onPodCreating: () => told.push('creating'),
    onPodCreated: () => told.push('created'),
    onGotPodInfo: () => told.push('info'),
  });
  onTestFinished(() => client.disconnect());
  expect(told).toEqual(['creating', 'created', 'info']);
  expect(client.description).toBe('a pod for a test');
  expect(client.url).toMatch(/^https:/);
  expect((await client.exec('seq', { args: ['1'], systemLevel: true })).ok).toBe(true);
  const [pod] = await pods(namespace);
  expect(pod?.metadata?.labels).toMatchObject({ name: 'my-pod', type: 'host-pod', team: 'tools' });
  expect(pod?.spec?.activeDeadlineSeconds).toBe(600);
  const { items } = await core.listNamespacedSecret({ namespace, labelSelector: 'name=my-pod' });
  const password = Buffer.from(String(items[0]?.data?.password), 'base64').toString();
  expect(password).toBe(tls.password());
  const taken = startPod(kubeConfig, 'my-pod', host, options);
  await expect(taken).rejects.toThrow(expect.objectContaining({ code: 'ERR_NAME_TAKEN' }));
  await client.close();
  await core.deleteNamespacedPod({ namespace, name: 'my-pod', body: { gracePeriodSeconds: 1 } });
  await nothingLeft(namespace);
});

it('startPod without TLS speaks plain HTTP, and still requires a password', async () => {
  const client = await startPod(kubeConfig, 'plain', host, options);
  onTestFinished(() => client.disconnect());
  expect(client.url).toMatch(/^http:/);
  expect((await client.exec('true', { systemLevel: true })).ok).toBe(true);
  await core.deleteNamespacedPod({ namespace, name: 'plain', body: { gracePeriodSeconds: 1 } });
});

const refusals: [string, string | typeof host, Partial<StartPodOptions>, object][] = [
  ['an unknown host type', 'host-nowhere', {}, { code: 'ERR_UNKNOWN_TYPE' }],
  ['a host type of another kind', 'host-local', {}, { code: 'ERR_UNKNOWN_TYPE' }],
  ['a bad name', host, {}, { code: 'ERR_CONFIG' }],
  [
    'a call that was cancelled before',
    host,
    { signal: AbortSignal.abort(new Error('no more')) },
    { code: 'ERR_ABORTED', cause: new Error('no more') },
  ],
];

for (const [what, type, changes, expected] of refusals) {
  it(`startPod refuses ${what}`, async () => {
    const name = what === 'a bad name' ? 'Not A Name' : 'never';
    const start = startPod(kubeConfig, name, type, { ...options, ...changes });
    await expect(start).rejects.toThrow(expect.objectContaining(expected));
  });
}
