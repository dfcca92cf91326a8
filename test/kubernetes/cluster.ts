// A namespace of the test's own on the cluster of KUBECONFIG, and a command line that makes buildlets there.
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CoreV1Api, KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { afterAll, expect, onTestFinished, vi } from 'vitest';
import {
  KubernetesBackend,
  type KubernetesSettings,
} from '../../src/backends/kubernetes/backend.ts';
import type { BuilderType, HostType, KubernetesMachine } from '../../src/builders.ts';
import { type Cli, testCli } from '../helpers/cli.ts';
import { type Workshop, workshop } from '../helpers/programs.ts';
import { temporaryDirectory } from '../helpers/temporary.ts';

export const kubeConfig = new KubeConfig();
kubeConfig.loadFromDefault();
export const core = kubeConfig.makeApiClient(CoreV1Api);

export const testImage = process.env.GOMOTE_TEST_IMAGE ?? '';

/** `direct` where the pods' addresses can be reached from here. */
export const reach = process.env.GOMOTE_TEST_REACH === 'direct' ? 'direct' : 'forward';

/** Asks for so little that many fit on a small node. */
export const machine: KubernetesMachine = {
  image: testImage,
  imagePullPolicy: 'IfNotPresent',
  cpu: '10m',
  cpuLimit: '2',
  memory: '128Mi',
};

export const host: HostType = { name: 'host-pod', kubernetes: machine };
export const builder: BuilderType = { name: 'linux', hostType: host.name, env: [] };
export const never: AbortSignal = new AbortController().signal;

/** Makes a namespace that is removed after the file's tests. */
export async function makeNamespace(): Promise<string> {
  const name = `gomote-test-${randomBytes(4).toString('hex')}`;
  await core.createNamespace({ body: { metadata: { name } } });
  afterAll(async () => {
    await core.deleteNamespace({ name });
  });
  // Pods are admitted once the cluster has made the namespace's service account and its token.
  const body = {
    metadata: { name: 'probe' },
    spec: { containers: [{ name: 'probe', image: testImage }] },
  };
  await vi.waitFor(
    async () => await core.createNamespacedPod({ namespace: name, body, dryRun: 'All' }),
    { timeout: 120_000 },
  );
  return name;
}

/** A backend as another computer would have it: with files of its own. */
export function openBackend(
  namespace: string,
  settings: Partial<KubernetesSettings> = {},
): KubernetesBackend {
  return new KubernetesBackend(
    {
      ...{ kind: 'kubernetes', name: 'k8s', namespace, reach, user: 'me' },
      idleTimeoutMs: 30 * 60_000,
      maxLifetimeMs: 60 * 60_000,
      scheduleTimeoutMs: 0,
      environment: { KUBECONFIG: process.env.KUBECONFIG, HOME: temporaryDirectory() },
      ...settings,
    },
    undefined,
  );
}

const podTypes = (more = ''): string => `
[hosts.host-pod.kubernetes]
image = "${testImage}"
image-pull-policy = "IfNotPresent"
cpu = "10m"
cpu-limit = "2"
memory = "128Mi"
${more}
[builders.linux]
host = "host-pod"
`;

/** The sections of a coordinator with a pool of pods in the namespace. */
export const podPool = (namespace: string, more: string): string => `
[backends.pods]
kind = "kubernetes"
namespace = "${namespace}"
reach = "${reach}"
${podTypes()}
[pools.pods]
kind = "backend"
backend = "pods"
host = "host-pod"
${more}
`;

/** The configuration of a command line whose default backend is the namespace. */
const clusterConfig = (
  namespace: string,
  more = '',
  hostMore = '',
  kubeconfig = String(process.env.KUBECONFIG),
): string => `
default = "k8s"
[backends.k8s]
kind = "kubernetes"
kubeconfig = "${kubeconfig}"
namespace = "${namespace}"
${more.includes('reach') ? '' : `reach = "${reach}"`}
${more}
${podTypes(hostMore)}
`;

/** Programs of a user whose default backend is the namespace. */
export function clusterWorkshop(namespace: string, more = '', hostMore = ''): Workshop {
  const shop = workshop();
  const config = join(shop.directory, '.config', 'gomote');
  mkdirSync(config, { recursive: true });
  writeFileSync(join(config, 'config.toml'), clusterConfig(namespace, more, hostMore));
  return shop;
}

/** A command line whose default backend is the namespace. */
export function clusterCli(
  namespace: string,
  more = '',
  hostMore?: string,
  kubeconfig?: string,
): Cli {
  const cli = testCli();
  mkdirSync(join(cli.directory, 'config', 'gomote'), { recursive: true });
  writeFileSync(
    join(cli.directory, 'config', 'gomote', 'config.toml'),
    clusterConfig(namespace, more, hostMore, kubeconfig),
  );
  onTestFinished(async () => {
    await cli(['destroy', '--all']);
  });
  return cli;
}

/** Makes a buildlet and gives its name. */
export async function created(cli: Cli): Promise<string> {
  const result = await cli(['create', 'linux']);
  expect(result).toMatchObject({ code: 0 });
  return result.stdout.trim();
}

/** The pods of buildlets, or of one owner's. */
export async function pods(namespace: string, owner?: string): Promise<V1Pod[]> {
  return (await core.listNamespacedPod({ namespace, ...ours(owner) })).items;
}

const ours = (owner: string | undefined) => ({
  labelSelector: owner === undefined ? 'role=buildlet' : `role=buildlet,gomote/owner=${owner}`,
});

/** The names of pods, Secrets and claims of buildlets, those being deleted too. */
async function remains(namespace: string, owner?: string): Promise<string[]> {
  const secrets = await core.listNamespacedSecret({ namespace, ...ours(owner) });
  const claims = await core.listNamespacedPersistentVolumeClaim({ namespace, ...ours(owner) });
  const all = [...(await pods(namespace, owner)), ...secrets.items, ...claims.items];
  return all.map(({ metadata }) => String(metadata?.name));
}

/** Waits until nothing of a buildlet is left; deletions take the cluster a while. */
export async function nothingLeft(namespace: string, owner?: string): Promise<void> {
  await expect.poll(() => remains(namespace, owner)).toEqual([]);
}
