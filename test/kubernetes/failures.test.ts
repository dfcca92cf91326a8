// Creations that cannot succeed: why is told at once, and nothing is left.
import { describe, expect, it } from 'vitest';
import type { KubernetesMachine } from '../../src/builders.ts';
import { PlatformError } from '../../src/errors.ts';
import {
  builder,
  clusterCli,
  core,
  machine,
  makeNamespace,
  never,
  nothingLeft,
  openBackend,
  testImage,
} from './cluster.ts';

const namespace = await makeNamespace();

/** How a creation of such a machine fails. */
async function failure(changes: Partial<KubernetesMachine>, settings = {}): Promise<PlatformError> {
  const host = { name: 'host-pod', kubernetes: { ...machine, ...changes } };
  const backend = openBackend(namespace, settings);
  const error = await backend.create(builder, { user: 'me', host, signal: never }).then(
    () => new Error('it was made'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PlatformError);
  return error as PlatformError;
}

const script = (text: string) => ({ command: ['sh', '-c', text] });

const rows: Record<string, [Partial<KubernetesMachine>, Record<string, unknown>]> = {
  'an image that is not there': [
    { image: 'localhost/there-is-no-such-image:1', imagePullPolicy: 'Never' },
    { code: 'ERR_MACHINE', reason: 'ErrImageNeverPull' },
  ],
  'an image that cannot be pulled': [
    { image: '127.0.0.1:1/there/is-no:registry', imagePullPolicy: 'Always' },
    { code: 'ERR_MACHINE', reason: expect.stringMatching(/^(ErrImagePull|ImagePullBackOff)$/) },
  ],
  'a bad image name': [
    { image: 'Not A Name' },
    { code: 'ERR_MACHINE', reason: 'InvalidImageName' },
  ],
  'a pod that no node suits': [
    { template: { spec: { nodeSelector: { 'there-is': 'no-such-node' } } } },
    {
      code: 'ERR_NO_CAPACITY',
      reason: 'Unschedulable',
      message: expect.stringMatching(/cannot be scheduled: .*node/),
    },
  ],
  'a command that is not in the image': [
    { command: ['/no/such/program'] },
    { code: 'ERR_MACHINE', message: expect.stringContaining('/no/such/program') },
  ],
  'a buildlet that ends, with its last words': [
    script('echo first words; echo last words >&2; exit 3'),
    {
      code: 'ERR_MACHINE',
      reason: 'Error',
      message: expect.stringMatching(/exit status 3.*last words/),
    },
  ],
  'a pod that the cluster refuses': [
    { template: { spec: { restartPolicy: 'Sometimes' } } },
    { code: 'ERR_CONFIG', message: expect.stringContaining('restartPolicy') },
  ],
};

describe('a creation fails at once, with the reason, and leaves nothing, for', () => {
  for (const [what, [changes, expected]] of Object.entries(rows)) {
    it(what, async () => {
      expect(await failure(changes)).toMatchObject(expected);
      expect(await openBackend(namespace).list({ signal: never })).toEqual([]);
    });
  }

  it('a pod that waits for a node longer than it may', async () => {
    const nodeSelector = { 'there-is': 'no-such-node' };
    const error = await failure(
      { template: { spec: { nodeSelector } } },
      { scheduleTimeoutMs: 300 },
    );
    expect(error).toMatchObject({ code: 'ERR_NO_CAPACITY' });
  });

  it('a namespace that does not exist', async () => {
    expect(await failure({}, { namespace: 'there-is-no-such-namespace' })).toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('there-is-no-such-namespace'),
    });
  });

  it('every one of them, in the end', async () => {
    await nothingLeft(namespace);
  });
});

describe('a quota', () => {
  it('is reported with its name; of several requested buildlets none is left', async () => {
    const quota = await makeNamespace();
    const body = { metadata: { name: 'two' }, spec: { hard: { pods: '2' } } };
    await core.createNamespacedResourceQuota({ namespace: quota, body });
    const ofQuota = { namespace: quota, name: 'two' };
    await expect
      .poll(() => core.readNamespacedResourceQuota(ofQuota))
      .toMatchObject({
        status: { used: { pods: '0' } },
      });
    const cli = clusterCli(quota);
    const result = await cli(['create', '--count', '3', 'linux']);
    expect(result).toMatchObject({ code: 1, stdout: '' });
    expect(result.stderr).toMatch(/exceeded quota: two.*destroy some buildlets/);
    expect((await cli(['list'])).stdout).toBe('');
    await nothingLeft(quota);
    // What was held is free again.
    await expect.poll(() => cli(['create', '--count', '2', 'linux'])).toMatchObject({ code: 0 });
  });
});

it('a create refuses a host type of another kind', async () => {
  const cli = clusterCli(namespace);
  expect(await cli(['--backend', 'k8s', 'create', 'local'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('host type "host-local" is not one of Kubernetes'),
  });
  expect(testImage).not.toBe('');
});
