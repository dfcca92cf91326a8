// Starts one pod with a buildlet for a program of the caller's own.
import { randomBytes, randomUUID } from 'node:crypto';
import { builtInCatalogue, type Catalogue, findHostType, type HostType } from '../../builders.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import type { KeyPair } from '../../client/key-pair.ts';
import { checkedDurationMs, timeLimitMs } from '../../client/time-limit.ts';
import { type Gate, tokenBucket } from '../../rate-limit.ts';
import { Cluster } from './cluster.ts';
import type { ClusterConfig } from './cluster-config.ts';
import { connectionOf } from './connections.ts';
import { launchPod } from './launch.ts';
import { imageReference, kubernetesMachineOf, labels, type PodSecrets, secretsOf } from './pod.ts';
import { directClient, forwardedClient } from './pod-client.ts';
import { PodWatch } from './pod-watch.ts';

/** What `startPod` takes. */
export interface StartPodOptions {
  /** Where images are found that are not full references: `imageRegistry/projectId/image`. */
  projectId: string;
  /** The registry of such an image. */
  imageRegistry: string;
  /** The buildlet's key pair. Absent: plain HTTP, with a password that is made for it. */
  tls?: KeyPair | undefined;
  /** What the client's description and the pod's annotation say. Absent: the pod's name. */
  description?: string | undefined;
  /** Further labels of the pod. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** How long the pod lives at most, in ms; the cluster ends it then. Absent or 0: 30 minutes. Infinity: forever. */
  deleteInMs?: number | undefined;
  /** The pod was asked for, and is not there yet. */
  onPodCreating?: (() => void) | undefined;
  /** The cluster has it. */
  onPodCreated?: (() => void) | undefined;
  /** It runs, and its address is known. */
  onGotPodInfo?: (() => void) | undefined;
  /** Cancels; nothing is left then. */
  signal?: AbortSignal | undefined;
  /** Absent: the kubeconfig's, else `default`. */
  namespace?: string | undefined;
  /** Where host types named by text are looked up. Absent: the built-in catalogue. */
  catalogue?: Catalogue | undefined;
  /** `direct` to the pod's address, or `forward` through the API server, for a caller outside. Absent: `direct`. */
  reach?: 'direct' | 'forward' | undefined;
  /** How long the pod may wait for a node, in ms, of any length. Absent or 0: not at all. */
  scheduleTimeoutMs?: number | undefined;
  /** How long it may take to run, in ms, of any length. Absent: 10 minutes. 0 or Infinity: no limit. */
  startTimeoutMs?: number | undefined;
  /** Is passed before every call to the API server. Absent: 50 calls a second, 100 at once. */
  gate?: Gate | undefined;
}

const defaults = { deleteInMs: 30 * 60_000, startTimeoutMs: 10 * 60_000 };

export async function startPod(
  kubeConfig: ClusterConfig,
  podName: string,
  hostType: string | HostType,
  options: StartPodOptions,
): Promise<BuildletClient> {
  const { catalogue = builtInCatalogue, reach = 'direct', projectId, imageRegistry } = options;
  const deleteInMs = checkedDurationMs('deleteInMs', options.deleteInMs) || defaults.deleteInMs;
  const startTimeoutMs =
    timeLimitMs('startTimeoutMs', options.startTimeoutMs ?? defaults.startTimeoutMs) ?? Infinity;
  const scheduleTimeoutMs = checkedDurationMs('scheduleTimeoutMs', options.scheduleTimeoutMs) ?? 0;
  const host = typeof hostType === 'string' ? findHostType(catalogue, hostType) : hostType;
  const machine = kubernetesMachineOf(host);
  const gate = options.gate ?? tokenBucket({ perSecond: 50, burst: 100 });
  const cluster = Cluster.of(kubeConfig, { namespace: options.namespace, gate });
  const maker = randomUUID();
  const secrets = secretsFor(options.tls);
  const description = options.description ?? `(pod ${podName})`;
  const clientOptions = { description, onRequest: undefined };
  const { onPodCreating, onPodCreated, onGotPodInfo } = options;
  const { client } = await launchPod(cluster, new PodWatch(cluster, `${labels.maker}=${maker}`), {
    plan: {
      ...{ name: podName, machine, maker, creation: maker, labels: options.labels },
      description: options.description,
      hostType: host.name,
      inheritEnv: host.inheritEnv,
      image: imageReference(machine.image, imageRegistry, projectId),
      owner: '',
      builderType: '',
      idleTimeoutMs: Infinity,
      maxLifetimeMs: deleteInMs,
    },
    ...{ secrets, onPodCreating, onPodCreated, onGotPodInfo },
    ...{ scheduleTimeoutMs, startTimeoutMs },
    connect: async (pod, ip) => {
      const connection = connectionOf(pod, ip, secrets);
      if (reach === 'direct') return directClient(connection, clientOptions);
      return await forwardedClient(cluster, connection, clientOptions);
    },
    signal: options.signal ?? new AbortController().signal,
  });
  return client;
}

function secretsFor(tls: KeyPair | undefined): PodSecrets {
  // A buildlet on a network accepts no commands without a password.
  if (tls === undefined || tls.isZero()) return { password: randomBytes(24).toString('hex') };
  return secretsOf(tls);
}
