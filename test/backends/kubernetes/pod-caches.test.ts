// What a pod has because of its caches, and which host types and volumes go with them.
import { describe, expect, it } from 'vitest';
import { readyCaches } from '../../../src/backends/kubernetes/caches.ts';
import type { Cluster } from '../../../src/backends/kubernetes/cluster.ts';
import { podOf } from '../../../src/backends/kubernetes/pod.ts';
import { cacheClaim, podCaches } from '../../../src/backends/kubernetes/pod-caches.ts';
import type { HostType } from '../../../src/builders.ts';
import type { Cache } from '../../../src/protocol/cache.ts';

const once = { size: '1Gi', access: 'ReadWriteOnce' } as const;
const many = { size: '1Gi', access: 'ReadWriteMany' } as const;

function podWith(caches: readonly Cache[], volumes: typeof once | typeof many, user = 'me') {
  const claims = caches.map((cache) => cacheClaim(cache, user));
  const pod = podOf(
    {
      ...{ name: 'me-linux-0', hostType: 'host', owner: 'me', builderType: 'linux' },
      ...{ machine: { image: 'buildlet' }, image: 'buildlet', maker: 'm', creation: 'c' },
      ...{ idleTimeoutMs: 60_000, maxLifetimeMs: 3_600_000 },
      caches: podCaches(claims, volumes, user),
    },
    { password: 'pass' },
  );
  return { pod, claims };
}

describe('a pod with caches', () => {
  it('mounts each claim, and its buildlet makes a link to it', () => {
    const { pod, claims } = podWith([{ name: 'Go_build', path: '~/.cache/go' }], once);
    const [{ claim, label } = { claim: '', label: '' }] = claims;
    expect(claim).toMatch(/^gomote-cache-go-build-[0-9a-f]{12}$/);
    const name = `cache-${claim.slice(-12)}`;
    const mountPath = '/var/cache/gomote/Go_build';
    expect(pod.metadata?.labels).toMatchObject({ [label]: 'shared' });
    expect(pod.spec).toMatchObject({
      securityContext: { seccompProfile: { type: 'RuntimeDefault' }, fsGroup: 1_000 },
      volumes: [{ name, persistentVolumeClaim: { claimName: claim } }],
      containers: [
        {
          volumeMounts: [{ name, mountPath }],
          args: expect.arrayContaining(['--cache', `~/.cache/go:${mountPath}`]),
        },
      ],
    });
  });

  it.each([
    ['shares a volume of one node', [{ name: 'c', path: 'x' }], once, true],
    ['shares one of many nodes', [{ name: 'c', path: 'x' }], many, false],
    ['has it alone', [{ name: 'c', path: 'x', mode: 'exclusive' as const }], once, false],
  ])(
    'is on the node of its user’s other pods only when the cache %s',
    (_what, caches, volumes, is) => {
      const { pod } = podWith(caches, volumes);
      const [term] =
        pod.spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
      // The first one has to match itself.
      const own = pod.metadata?.labels?.['gomote/caches-of'];
      expect([own, term?.labelSelector?.matchLabels?.['gomote/caches-of']]).toEqual(
        is ? ['me', 'me'] : [undefined, undefined],
      );
    },
  );

  it('has names that Kubernetes permits, whatever the names of cache and owner are', () => {
    const names = ['-', '..', 'a_', 'A', 'a', 'x'.repeat(49)].map((rest) => `c${rest}`);
    const users = ['me', 'a.person@example.com', 'ü', 'u'.repeat(80)];
    const claims = users.flatMap((user) =>
      names.map((name) => {
        const { pod, claims } = podWith([{ name, path: 'x' }], once, user);
        const volume = pod.spec?.volumes?.[0]?.name;
        const values = Object.values(pod.metadata?.labels ?? {});
        expect(volume).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
        for (const value of values)
          expect(value).toMatch(/^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/);
        return claims[0]?.claim;
      }),
    );
    expect(new Set(claims).size).toBe(claims.length);
    for (const claim of claims) expect(claim).toMatch(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
  });
});

it.each([
  [
    'a command of its own',
    { kubernetes: { image: 'x', command: ['stage0'] }, caches: [{ name: 'c', path: 'x' }] },
    'the host type "h" can have no caches',
  ],
  [
    'a cache of all users on volumes of one node',
    { kubernetes: { image: 'x' }, caches: [{ name: 'c', path: 'x', shared: true }] },
    'the cache "c" cannot be shared by all users',
  ],
])('a host type with %s gets no pod', async (_what, host, said) => {
  const noCluster = {} as Cluster;
  const call = { user: 'me', host: { name: 'h', ...host } as HostType };
  const { signal } = new AbortController();
  await expect(readyCaches(noCluster, { ...call, signal }, once)).rejects.toThrow(said);
});
