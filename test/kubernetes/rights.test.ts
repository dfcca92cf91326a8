// What a client may do: nothing without rights, and all of gomote with those in docs/kubernetes/.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ApisApi,
  AuthorizationV1Api,
  KubeConfig,
  KubernetesObjectApi,
  loadAllYaml,
  NetworkingV1Api,
  RbacAuthorizationV1Api,
  type V1NetworkPolicy,
  type V1ObjectMeta,
  type V1Role,
} from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../helpers/temporary.ts';
import { given, objectsIn, render } from '../packaging/chart.ts';
import {
  builder,
  clusterCli,
  core,
  created,
  host,
  kubeConfig,
  makeNamespace,
  never,
  nothingLeft,
  openBackend,
} from './cluster.ts';

const namespace = await makeNamespace();
const read = (name: string) =>
  loadAllYaml(
    readFileSync(new URL(`../../docs/kubernetes/${name}.yaml`, import.meta.url), 'utf8'),
  ) as { kind: string; metadata: V1ObjectMeta }[];
const manifests = read('buildlets');
const manifest = <T>(kind: string): T => {
  const { metadata, ...rest } = manifests.find((one) => one.kind === kind)!;
  return { ...rest, metadata: { ...metadata, namespace } } as T;
};

/** A kubeconfig of a user with this token. */
function kubeconfigOf(name: string, token: string): string {
  const config = new KubeConfig();
  config.loadFromClusterAndUser(kubeConfig.getCurrentCluster()!, { name, token });
  const file = join(temporaryDirectory(), 'kubeconfig');
  writeFileSync(file, config.exportConfig(), { mode: 0o600 });
  return file;
}

/** A kubeconfig of an account without rights. */
async function limitedKubeconfig(name: string): Promise<string> {
  await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
  const body = { spec: { audiences: [], expirationSeconds: 3_600 } };
  const { status } = await core.createNamespacedServiceAccountToken({ name, namespace, body });
  return kubeconfigOf(name, status!.token);
}

const backendOf = (kubeconfig: string) =>
  openBackend(namespace, {
    environment: { KUBECONFIG: kubeconfig, HOME: temporaryDirectory() },
  });

describe('a client', () => {
  it('without rights gets that error, and makes nothing', async () => {
    const backend = backendOf(await limitedKubeconfig('nobody'));
    const refused = { code: 'ERR_UNAUTHORIZED', message: expect.stringContaining('forbidden') };
    const calls = [
      () => backend.create(builder, { user: 'me', host, signal: never }),
      () => backend.list({ signal: never }),
      () => backend.destroy('me-linux-0', { signal: never }),
      () => backend.reap({ signal: never }),
    ];
    for (const call of calls)
      await expect(call()).rejects.toThrow(expect.objectContaining(refused));
    await nothingLeft(namespace);
  });

  it('with an unknown token gets that error', async () => {
    const backend = backendOf(kubeconfigOf('stranger', 'no-such-token'));
    await expect(backend.list({ signal: never })).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_UNAUTHORIZED' }),
    );
  });

  it('with the rights of the manifests can do everything, and no more', async () => {
    const rbac = kubeConfig.makeApiClient(RbacAuthorizationV1Api);
    const kubeconfig = await limitedKubeconfig('developer');
    await rbac.createNamespacedRole({ namespace, body: manifest<V1Role>('Role') });
    await rbac.createNamespacedRoleBinding({
      namespace,
      body: {
        metadata: { name: 'developer' },
        subjects: [{ kind: 'ServiceAccount', name: 'developer', namespace }],
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'gomote' },
      },
    });
    const cli = clusterCli(namespace, '', '', kubeconfig);
    const name = await created(cli);
    const forwarded = clusterCli(namespace, 'reach = "forward"', '', kubeconfig);
    for (const client of [cli, forwarded])
      expect(await client(['run', '--verbose', name, 'true'])).toMatchObject({
        code: 0,
        stderr: expect.not.stringContaining('not renewed'),
      });
    // Its log and its events are part of the message.
    const failing = 'command = ["sh", "-c", "echo why >&2; exit 1"]';
    const broken = clusterCli(namespace, '', failing, kubeconfig);
    expect((await broken(['create', 'linux'])).stderr).toContain('its log ends: why');
    expect((await cli(['destroy', name])).code).toBe(0);
    expect((await cli(['reap'])).code).toBe(0);
    const config = new KubeConfig();
    config.loadFromFile(kubeconfig);
    const authorization = config.makeApiClient(AuthorizationV1Api);
    for (const [verb, resource, allowed, group] of [
      // For caches, and for work directories on volumes.
      ['create', 'persistentvolumeclaims', true],
      ['get', 'persistentvolumeclaims', true],
      ['list', 'persistentvolumeclaims', true],
      ['delete', 'persistentvolumeclaims', true],
      ['create', 'volumesnapshots', true, 'snapshot.storage.k8s.io'],
      ['get', 'volumesnapshots', true, 'snapshot.storage.k8s.io'],
      ['delete', 'volumesnapshots', true, 'snapshot.storage.k8s.io'],
      ['create', 'pods/exec', false],
      ['update', 'secrets', false],
      ['create', 'deployments', false],
      ['get', 'configmaps', false],
    ] as [string, string, boolean, string?][]) {
      const attributes = { namespace, verb, resource, ...(group && { group }) };
      const body = { spec: { resourceAttributes: attributes } };
      const { status } = await authorization.createSelfSubjectAccessReview({ body });
      expect([verb, resource, status?.allowed]).toEqual([verb, resource, allowed]);
    }
    await nothingLeft(namespace);
  });
});

it('the cluster accepts the network policy of the manifests, for buildlets only', async () => {
  const networking = kubeConfig.makeApiClient(NetworkingV1Api);
  const body = manifest<V1NetworkPolicy>('NetworkPolicy');
  const made = await networking.createNamespacedNetworkPolicy({ namespace, body });
  expect(made.spec?.podSelector?.matchLabels).toEqual({ role: 'buildlet' });
});

it.each([
  ['the manifests', () => read('coordinator')],
  ['the Helm chart', () => objectsIn(render(given()))],
])('the cluster accepts the coordinator of %s', async (_, objectsOf) => {
  const objects = KubernetesObjectApi.makeApiClient(kubeConfig);
  const kinds: string[] = [];
  // Clusters before 1.21 have budgets in an older version only.
  const { groups } = await kubeConfig.makeApiClient(ApisApi).getAPIVersions();
  const policies = groups.find(({ name }) => name === 'policy')?.versions ?? [];
  const isOld = policies.every(({ version }) => version !== 'v1');
  for (const { metadata, ...given } of objectsOf()) {
    const isBudget = given.kind === 'PodDisruptionBudget';
    const rest = { ...given, ...(isBudget && isOld && { apiVersion: 'policy/v1beta1' }) };
    const made = await objects.create(
      { ...rest, metadata: { ...metadata, namespace } },
      undefined,
      'All',
    );
    kinds.push(String(made.kind));
  }
  expect(kinds).toEqual(
    expect.arrayContaining([
      'ServiceAccount',
      'RoleBinding',
      'ConfigMap',
      'Deployment',
      'PodDisruptionBudget',
      'Service',
    ]),
  );
});
