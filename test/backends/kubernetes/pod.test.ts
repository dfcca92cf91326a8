import { describe, expect, it } from 'vitest';
import { labelValue, nameStem } from '../../../src/backends/kubernetes/names.ts';
import {
  imageReference,
  instanceOf,
  kubernetesMachineOf,
  ownObjectName,
  type PodPlan,
  podOf,
  secretOf,
} from '../../../src/backends/kubernetes/pod.ts';
import { podDefaults } from '../../../src/backends/kubernetes/pod-defaults.ts';
import type { KubernetesMachine } from '../../../src/builders.ts';

const plan: PodPlan = {
  name: 'me-linux-0',
  hostType: 'host-pod',
  machine: { image: 'buildlet:1' },
  image: 'registry.example/team/buildlet:1',
  owner: 'me',
  maker: 'maker',
  creation: '01234567-89ab',
  builderType: 'linux',
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 3_600_000,
};
const secrets = { password: 'pass', 'tls-cert': 'cert', 'tls-key': 'key' };
const planOf = (machine: Partial<KubernetesMachine>): PodPlan => ({
  ...plan,
  machine: { ...plan.machine, ...machine },
});

describe('a pod', () => {
  it('has what the host type gives, else the defaults, which can be changed', () => {
    const resources = (machine: Partial<KubernetesMachine>) =>
      podOf(planOf(machine), secrets).spec?.containers[0]?.resources;
    expect(resources({})).toEqual({
      requests: { cpu: '2', memory: '4000000Ki', 'ephemeral-storage': '64Mi' },
      limits: { cpu: '8', memory: '4000000Ki', 'ephemeral-storage': '20Gi' },
    });
    expect(resources({ cpu: '1', cpuLimit: '3', memory: '1Gi', disk: '5Gi' })).toEqual({
      requests: { cpu: '1', memory: '1Gi', 'ephemeral-storage': '64Mi' },
      limits: { cpu: '3', memory: '1Gi', 'ephemeral-storage': '5Gi' },
    });
    podDefaults.buildletCPU = '4';
    expect(resources({})).toMatchObject({ requests: { cpu: '4' } });
    podDefaults.buildletCPU = '2';
  });

  it('names its secrets and holds none', () => {
    const pod = podOf(plan, secrets);
    const [container] = pod.spec?.containers ?? [];
    const ref = (key: string) => ({ secretKeyRef: { name: 'me-linux-0-01234567', key } });
    expect(container?.env).toEqual([
      { name: 'IN_KUBERNETES', value: '1' },
      { name: 'META_BUILDLET_HOST_TYPE', value: 'host-pod' },
      { name: 'META_PASSWORD', valueFrom: ref('password') },
      { name: 'META_TLS_CERT', valueFrom: ref('tls-cert') },
      { name: 'META_TLS_KEY', valueFrom: ref('tls-key') },
    ]);
    const made = { ...pod, metadata: { ...pod.metadata, uid: 'uid' } };
    expect(secretOf(made, secrets)).toMatchObject({
      metadata: {
        name: ownObjectName(made),
        ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: 'me-linux-0', uid: 'uid' }],
      },
      stringData: secrets,
    });
  });

  it('ends by the cluster at its age and by itself when idle, or by neither', () => {
    const bounded = podOf(plan, secrets, 1_000_000_000);
    expect(bounded.spec?.activeDeadlineSeconds).toBe(3_600);
    expect(bounded.spec?.containers[0]?.args).toEqual([
      ...['--listen', '0.0.0.0:5936'],
      ...['--idle-timeout', '60000ms'],
    ]);
    expect(bounded.metadata?.annotations).toMatchObject({
      'delete-at': '1003600',
      'gomote/expires': new Date(1_000_060_000).toISOString(),
    });
    const forever = { ...plan, idleTimeoutMs: Infinity, maxLifetimeMs: Infinity };
    const endless = podOf(forever, secrets);
    expect(endless.spec).not.toHaveProperty('activeDeadlineSeconds');
    expect(endless.metadata?.annotations).not.toHaveProperty('delete-at');
    expect(instanceOf(endless, undefined).expires).toBeUndefined();
  });

  it('shows the earlier of its two ends', () => {
    const pod = podOf({ ...plan, maxLifetimeMs: 30_000 }, secrets, 1_000_000_000);
    expect(instanceOf(pod, undefined)).toEqual({
      name: 'me-linux-0',
      builderType: 'linux',
      hostType: 'host-pod',
      owner: 'me',
      created: undefined,
      expires: new Date(1_000_030_000),
      dead: undefined,
    });
  });

  it('is merged with the user’s part: tables and lists of named things are laid over, everything else is replaced', () => {
    const template = {
      metadata: { annotations: { mine: 'yes' } },
      spec: {
        nodeSelector: { disk: 'ssd' },
        restartPolicy: 'OnFailure',
        containers: [
          {
            name: 'buildlet',
            securityContext: { runAsUser: 1000 },
            env: [{ name: 'A', value: 'b' }],
          },
          { name: 'helper', image: 'helper:1' },
        ],
      },
    };
    const pod = podOf(planOf({ template }), secrets);
    expect(pod.metadata?.annotations).toMatchObject({ mine: 'yes', 'gomote/owner': 'me' });
    expect(pod.spec).toMatchObject({ nodeSelector: { disk: 'ssd' }, restartPolicy: 'OnFailure' });
    const [container, helper] = pod.spec?.containers ?? [];
    expect(container).toMatchObject({ image: plan.image, securityContext: { runAsUser: 1000 } });
    expect(container?.env?.map(({ name }) => name)).toContain('META_PASSWORD');
    expect(container?.env?.map(({ name }) => name)).toContain('A');
    expect(helper).toEqual({ name: 'helper', image: 'helper:1' });
  });
});

describe('an image', () => {
  it('that begins with a host is a full reference; any other is one of the registry', () => {
    for (const full of ['localhost/x:1', 'ghcr.io/a/b', '10.0.0.1:5000/a'])
      expect(imageReference(full, 'registry.example', 'team')).toBe(full);
    expect(imageReference('buildlet:1', 'registry.example', 'team')).toBe(
      'registry.example/team/buildlet:1',
    );
    expect(imageReference('library/node', 'registry.example')).toBe(
      'registry.example/library/node',
    );
    expect(imageReference('node')).toBe('node');
  });
});

describe('a host type', () => {
  it('without an image is refused', () => {
    expect(() => kubernetesMachineOf({ name: 'host-local' })).toThrow(
      expect.objectContaining({
        code: 'ERR_UNKNOWN_TYPE',
        hint: expect.stringContaining('kubernetes'),
      }),
    );
  });
});

describe('names', () => {
  it('contain only what Kubernetes permits, and are short enough for a label', () => {
    expect(nameStem('me', 'linux')).toBe('me-linux');
    expect(nameStem('Me_And.You', 'Linux_64')).toBe('me-and-you-linux-64');
    const long = nameStem('u'.repeat(100), 'linux');
    expect(`${long}-abcde`.length).toBeLessThanOrEqual(63);
    expect(nameStem('__', '..')).toMatch(/^[a-z0-9]/);
  });

  it('as labels stay unchanged or stay distinct', () => {
    expect(labelValue('Some.One_1')).toBe('Some.One_1');
    const [a, b] = [labelValue('some one'), labelValue('some+one')];
    expect(a).not.toBe(b);
    for (const value of [a, b, labelValue('é'), labelValue('x'.repeat(99)), labelValue('')])
      expect(value).toMatch(/^(?=.{1,63}$)[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?$/);
  });
});
