// Work directories on volumes: the manifests of a pod and its claim, and how a snapshot of the volume is waited for.
import type { V1Pod } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../../src/backends/kubernetes/cluster.ts';
import { kubernetesMachineOf, podOf } from '../../../src/backends/kubernetes/pod.ts';
import { cacheClaim, podCaches } from '../../../src/backends/kubernetes/pod-caches.ts';
import { claimNameOf } from '../../../src/backends/kubernetes/pod-volume.ts';
import type { SnapshotStatus } from '../../../src/backends/kubernetes/snapshot-calls.ts';
import { keepVolume } from '../../../src/backends/kubernetes/volume-snapshots.ts';
import { bytesOf, workClaim } from '../../../src/backends/kubernetes/work-claim.ts';
import type { BuildletClient } from '../../../src/client/buildlet-client.ts';

const workVolume = { size: '1Gi', class: 'fast', snapshotClass: 'often' };

function podWith(more: object = {}): V1Pod {
  const pod = podOf(
    {
      ...{ name: 'me-linux-0', hostType: 'host', owner: 'me', builderType: 'linux' },
      ...{ machine: { image: 'buildlet', workVolume }, image: 'buildlet', maker: 'm' },
      ...{ creation: '0123456789', idleTimeoutMs: 60_000, maxLifetimeMs: 3_600_000 },
      ...more,
    },
    { password: 'pass' },
  );
  return { ...pod, metadata: { ...pod.metadata, uid: 'u' } };
}

describe('a pod with a work directory on a volume', () => {
  it('mounts its claim beside those of caches', () => {
    const access = 'ReadWriteOnce';
    const caches = podCaches([cacheClaim({ name: 'c', path: 'x' }, 'me')], { access }, 'me');
    const pod = podWith({ caches });
    expect(pod.spec?.volumes?.map(({ name }) => name)).toEqual([
      'work',
      expect.stringMatching(/^cache-/),
    ]);
    expect(pod.spec?.securityContext?.fsGroup).toBe(1_000);
    const [container] = pod.spec?.containers ?? [];
    expect(container?.volumeMounts).toHaveLength(2);
    expect(container?.args).toEqual(
      expect.arrayContaining(['--volume', '/var/lib/gomote-volume', '--cache']),
    );
  });

  it('owns a claim, which is as large as its snapshot needs', () => {
    const pod = podWith();
    const empty = workClaim(pod, workVolume, undefined);
    expect(empty.metadata).toMatchObject({
      name: claimNameOf(pod),
      ownerReferences: [{ kind: 'Pod', name: 'me-linux-0', uid: 'u' }],
    });
    const sizeWith = (bytes: number | undefined) =>
      workClaim(pod, workVolume, { snapshot: 's', bytes }).spec?.resources?.requests?.storage;
    expect([sizeWith(undefined), sizeWith(1), sizeWith(2 ** 31)]).toEqual([
      '1Gi',
      '1Gi',
      String(2 ** 31),
    ]);
    expect(workClaim(pod, workVolume, { snapshot: 's', bytes: 1 }).spec?.dataSource).toEqual({
      apiGroup: 'snapshot.storage.k8s.io',
      kind: 'VolumeSnapshot',
      name: 's',
    });
  });

  it('cannot have a command of its own', () => {
    const kubernetes = { image: 'x', workVolume, command: ['stage0'] };
    expect(() => kubernetesMachineOf({ name: 'h', kubernetes })).toThrow(
      'the host type "h" can have no work-volume',
    );
  });
});

it.each([
  ['20Gi', 20 * 2 ** 30],
  ['1500M', 1.5e9],
  ['2k', 2_000],
  ['1.5Ki', 1_536],
  ['1073741824', 2 ** 30],
  ['', undefined],
  ['12e6', undefined],
])('the quantity "%s" is %s bytes', (quantity, bytes) => {
  expect(bytesOf(quantity)).toBe(bytes);
});

describe('a snapshot of a volume', () => {
  /** Its states, of which the last one stays; undefined: it is gone. */
  async function keep(states: (SnapshotStatus | 'none' | undefined)[]) {
    const created: object[] = [];
    const read = async () => {
      const status = states.length > 1 ? states.shift() : states[0];
      return status === undefined ? undefined : { status: status === 'none' ? undefined : status };
    };
    const create = async (given: object) => void created.push(given);
    const cluster = { snapshots: { create, read } } as unknown as Cluster;
    const client = { exec: async () => ({ ok: true }), disconnect: async () => undefined };
    const connect = async () => client as unknown as BuildletClient;
    const limits = { begin: 20, error: 20, ready: 60, poll: 1 };
    const request = { id: 'abc', signal: new AbortController().signal };
    const kept = await keepVolume(cluster, podWith(), connect, request, limits);
    return { kept, created };
  }

  it('is waited for, also when an error passes', async () => {
    const failing = { readyToUse: false, error: { message: 'the object has been modified' } };
    const { kept, created } = await keep([
      ...['none' as const, failing, { readyToUse: false }, failing],
      { readyToUse: true, restoreSize: '2Gi' },
    ]);
    expect(kept).toEqual({ image: 'gomote-snapshot-abc', bytes: 2 ** 31 });
    expect(created).toMatchObject([{ class: 'often', labels: { role: 'snapshot' } }]);
  });

  it.each([
    ['an error stays', { error: { message: 'no driver' } }, 'ERR_MACHINE', 'no driver'],
    [
      'no class fits',
      { error: { message: 'cannot find default snapshot class' } },
      'ERR_CONFIG',
      'cannot find default snapshot class',
    ],
    ['nothing begins it', 'none' as const, 'ERR_TIMEOUT', 'nothing on the cluster has begun'],
    ['it takes too long', { readyToUse: false }, 'ERR_TIMEOUT', 'is not ready after'],
    ['it is removed', undefined, 'ERR_MACHINE', 'was removed'],
  ])('fails when %s', async (_what, state, code, said) => {
    await expect(keep([state])).rejects.toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(said) }),
    );
  });
});
