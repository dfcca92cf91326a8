// What is stored of a buildlet on the cluster: its pod and its Secret, with its state in their metadata.
import type { V1Container, V1EnvVar, V1Pod, V1Secret } from '@kubernetes/client-node';
import type { KubernetesMachine } from '../../builders.ts';
import type { KeyPair } from '../../client/key-pair.ts';
import { GomoteError } from '../../errors.ts';
import { type Labels, labelsInText } from '../../protocol/labels.ts';
import type { Instance } from '../backend.ts';
import { keptCapabilities } from '../kept-capabilities.ts';
import { merged } from './merge.ts';
import { labelValue } from './names.ts';
import type { PodCaches } from './pod-caches.ts';
import { podDefaults } from './pod-defaults.ts';
import { type PodVolume, podVolume, volumeSecurity } from './pod-volume.ts';

export const labels = {
  name: 'name',
  hostType: 'type',
  role: 'role',
  owner: 'gomote/owner',
  /** The process that created it, for its watch. */
  maker: 'gomote/maker',
} as const;

export const annotations = {
  /** Unix seconds. */
  deleteAt: 'delete-at',
  owner: 'gomote/owner',
  builderType: 'gomote/builder-type',
  hostType: 'gomote/host-type',
  /** Identifies one creation among pods of the same name. */
  creation: 'gomote/creation',
  description: 'gomote/description',
  /** RFC 3339; renewed by use. */
  expires: 'gomote/expires',
  port: 'gomote/port',
  /** Of the volume that its work directory is on. */
  snapshotClass: 'gomote/snapshot-class',
  /** A coordinator's note. */
  note: 'gomote/note',
  /** Its user's own, as JSON: values of labels may be of fewer characters. */
  labels: 'gomote/labels',
} as const;

/** A selector for the pods and Secrets of buildlets, optionally of one owner. */
export const buildletSelector = (owner: string | undefined): string =>
  [
    `${labels.role}=buildlet`,
    ...(owner === undefined ? [] : [`${labels.owner}=${labelValue(owner)}`]),
  ].join(',');

export const containerName = 'buildlet';
export const defaultPort = 5936;

/** The content of the Secret, by the buildlet's names. */
export interface PodSecrets {
  readonly password: string;
  /** Absent, as its key: plain HTTP. */
  readonly 'tls-cert'?: string;
  readonly 'tls-key'?: string;
}

export const secretsOf = (pair: KeyPair): PodSecrets => ({
  password: pair.password(),
  'tls-cert': pair.certPem,
  'tls-key': pair.keyPem,
});

export interface PodPlan {
  readonly name: string;
  readonly hostType: string;
  readonly inheritEnv?: boolean | undefined;
  readonly machine: KubernetesMachine;
  /** A full reference. */
  readonly image: string;
  readonly owner: string;
  readonly maker: string;
  /** Different for each creation. */
  readonly creation: string;
  readonly builderType: string;
  readonly description?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly userLabels?: Labels | undefined;
  readonly caches?: PodCaches | undefined;
  /** Infinity: never. */
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
}

/** A bare name is in the registry and project; one that begins with a host is a full reference. */
export function imageReference(image: string, registry = '', project = ''): string {
  const [host = ''] = image.split('/', 1);
  const isFull = image.includes('/') && (/[.:]/.test(host) || host === 'localhost');
  return isFull ? image : [registry, project, image].filter((part) => part !== '').join('/');
}

/** Refers to `secrets` without containing them. */
export function podOf(plan: PodPlan, secrets: PodSecrets, nowMs = Date.now()): V1Pod {
  const { machine, maxLifetimeMs, idleTimeoutMs, caches } = plan;
  const endMs = nowMs + maxLifetimeMs;
  const expiresMs = Math.min(endMs, nowMs + idleTimeoutMs);
  const bounded = maxLifetimeMs !== Infinity;
  const { snapshotClass } = machine.workVolume ?? {};
  const volume = machine.workVolume && podVolume(ownName(plan.name, plan.creation));
  const volumes = [...(volume ? [volume.volume] : []), ...(caches?.spec.volumes ?? [])];
  const base = {
    metadata: {
      name: plan.name,
      labels: {
        ...plan.labels,
        ...caches?.labels,
        [labels.name]: plan.name,
        [labels.hostType]: labelValue(plan.hostType),
        [labels.role]: 'buildlet',
        [labels.owner]: labelValue(plan.owner),
        [labels.maker]: plan.maker,
      },
      annotations: {
        [annotations.owner]: plan.owner,
        [annotations.builderType]: plan.builderType,
        [annotations.hostType]: plan.hostType,
        [annotations.creation]: plan.creation,
        [annotations.port]: String(machine.port ?? defaultPort),
        ...(plan.description !== undefined && { [annotations.description]: plan.description }),
        ...(snapshotClass !== undefined && { [annotations.snapshotClass]: snapshotClass }),
        ...(plan.userLabels && { [annotations.labels]: JSON.stringify(plan.userLabels) }),
        ...(bounded && { [annotations.deleteAt]: String(Math.floor(endMs / 1_000)) }),
        ...(expiresMs !== Infinity && {
          [annotations.expires]: new Date(expiresMs).toISOString(),
        }),
      },
    },
    spec: {
      restartPolicy: 'Never',
      // Commands must not have access to the cluster.
      automountServiceAccountToken: false,
      hostNetwork: false,
      hostPID: false,
      hostIPC: false,
      securityContext: {
        seccompProfile: { type: 'RuntimeDefault' },
        ...(volumes.length > 0 && volumeSecurity),
      },
      enableServiceLinks: false,
      // Orphaned processes are reaped by the pod's first process, not by the buildlet.
      shareProcessNamespace: true,
      terminationGracePeriodSeconds: 5,
      ...(bounded && { activeDeadlineSeconds: Math.max(1, Math.ceil(maxLifetimeMs / 1_000)) }),
      containers: [containerOf(plan, Object.keys(secrets), volume)],
      ...caches?.spec,
      ...(volumes.length > 0 && { volumes }),
    },
  };
  const pod = machine.template === undefined ? base : (merged(base, machine.template) as V1Pod);
  return { apiVersion: 'v1', kind: 'Pod', ...pod };
}

function containerOf(
  plan: PodPlan,
  secretKeys: readonly string[],
  volume: PodVolume | undefined,
): V1Container {
  const { name, creation, machine, image, hostType, idleTimeoutMs, caches } = plan;
  const port = machine.port ?? defaultPort;
  const memory = machine.memory ?? podDefaults.buildletMemory;
  const disk = machine.disk ?? podDefaults.buildletDiskLimit;
  const secret = (key: string): V1EnvVar => ({
    name: `META_${key.replace('-', '_').toUpperCase()}`,
    valueFrom: { secretKeyRef: { name: ownName(name, creation), key } },
  });
  const idle = idleTimeoutMs === Infinity ? [] : ['--idle-timeout', `${idleTimeoutMs}ms`];
  const args = [...(volume?.args ?? []), ...(caches?.args ?? [])];
  const mounts = [...(volume ? [volume.mount] : []), ...(caches?.mounts ?? [])];
  return {
    name: containerName,
    image,
    ...(machine.imagePullPolicy !== undefined && { imagePullPolicy: machine.imagePullPolicy }),
    ...(machine.command === undefined
      ? { args: ['--listen', `0.0.0.0:${port}`, ...idle, ...args] }
      : { command: [...machine.command] }),
    ports: [{ containerPort: port }],
    ...(mounts.length > 0 && { volumeMounts: mounts }),
    securityContext: {
      privileged: false,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'], add: [...keptCapabilities] },
    },
    resources: {
      requests: {
        cpu: machine.cpu ?? podDefaults.buildletCPU,
        memory,
        // Little disk is reserved: a build that exceeds its limit is evicted.
        'ephemeral-storage': podDefaults.buildletDisk,
      },
      limits: {
        cpu: machine.cpuLimit ?? podDefaults.buildletCPULimit,
        memory,
        'ephemeral-storage': disk,
      },
    },
    env: [
      { name: 'IN_KUBERNETES', value: '1' },
      { name: 'META_BUILDLET_HOST_TYPE', value: hostType },
      ...(plan.inheritEnv ? [{ name: 'META_INHERIT_ENV', value: '1' }] : []),
      ...secretKeys.map(secret),
    ],
  };
}

/** The name of a pod's Secret and of its claim: those of an older pod may still exist when they are created. */
const ownName = (podName: string, creation: string): string => `${podName}-${creation.slice(0, 8)}`;

export const ownObjectName = (pod: V1Pod): string =>
  ownName(pod.metadata?.name ?? '', creationOf(pod));

export const creationOf = (pod: V1Pod): string =>
  pod.metadata?.annotations?.[annotations.creation] ?? '';

/** The pod's key and password, which are deleted with it. */
export function secretOf(pod: V1Pod, secrets: PodSecrets): V1Secret {
  const { name = '', uid = '' } = pod.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: ownObjectName(pod),
      labels: {
        [labels.name]: name,
        [labels.role]: 'buildlet',
        [labels.owner]: pod.metadata?.labels?.[labels.owner] ?? '',
      },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid }],
    },
    immutable: true,
    stringData: { ...secrets },
  };
}

/** The machine of a host type. Throws ERR_UNKNOWN_TYPE when it has none for this platform, ERR_UNSUPPORTED for one that cannot be made. */
export function kubernetesMachineOf(host: {
  readonly name: string;
  readonly kubernetes?: KubernetesMachine | undefined;
}): KubernetesMachine {
  const machine = host.kubernetes;
  if (machine?.workVolume !== undefined && machine.command !== undefined) {
    const message = `the host type "${host.name}" can have no work-volume`;
    throw new GomoteError('ERR_UNSUPPORTED', message, {
      hint: 'its own command takes no options of gomote: leave out one of both',
    });
  }
  if (machine !== undefined) return machine;
  throw new GomoteError('ERR_UNKNOWN_TYPE', `host type "${host.name}" is not one of Kubernetes`, {
    hint: `give it an image in [hosts.${host.name}.kubernetes]`,
  });
}

/** What list shows of a pod. */
export function instanceOf(pod: V1Pod, dead: string | undefined): Instance {
  const { metadata } = pod;
  const note = (key: string) => metadata?.annotations?.[key];
  const label = (key: string) => metadata?.labels?.[key];
  return {
    name: metadata?.name ?? '',
    builderType: note(annotations.builderType) ?? label(labels.hostType) ?? '',
    hostType: note(annotations.hostType) ?? label(labels.hostType) ?? '',
    owner: ownerOf(pod),
    created: metadata?.creationTimestamp,
    expires: expiryOf(pod),
    dead,
    note: note(annotations.note),
    labels: labelsInText(note(annotations.labels)),
  };
}

export const ownerOf = (pod: V1Pod): string => pod.metadata?.annotations?.[annotations.owner] ?? '';

/** When it ends unless it is used. */
function expiryOf({ metadata }: V1Pod): Date | undefined {
  const idleMs = Date.parse(metadata?.annotations?.[annotations.expires] ?? '');
  const hardMs = deleteAtMs(metadata?.annotations);
  const endMs = Math.min(Number.isNaN(idleMs) ? Infinity : idleMs, hardMs);
  return endMs === Infinity ? undefined : new Date(endMs);
}

/** When it is deleted in any case; Infinity when that is unknown. */
export function deleteAtMs(notes: Readonly<Record<string, string>> | undefined): number {
  const seconds = Number(notes?.[annotations.deleteAt]);
  return Number.isFinite(seconds) ? seconds * 1_000 : Infinity;
}

/** The Secret as the cluster gives it. */
export function decodeSecret(data: Readonly<Record<string, string>>): PodSecrets {
  const text = (key: string) => Buffer.from(data[key] ?? '', 'base64').toString();
  const password = text('password');
  return data['tls-cert'] === undefined ? { password } : { password, 'tls-cert': text('tls-cert') };
}
