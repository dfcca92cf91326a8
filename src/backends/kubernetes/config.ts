// The tables of pods: [backends.NAME] with kind "kubernetes", and [hosts.NAME.kubernetes].
import * as v from 'valibot';
import type { KubernetesMachine } from '../../builders.ts';
import {
  durationSchema,
  lifetimeSchema,
  nameSchema,
  portSchema,
  textSchema,
} from '../../config/values.ts';

export interface KubernetesConfig {
  readonly kind: 'kubernetes';
  /** Absent: as kubectl finds it, or inside a cluster that cluster. */
  readonly kubeconfig?: string | undefined;
  /** Absent: the kubeconfig's current one. */
  readonly context?: string | undefined;
  /** Absent: the context's, else `default`. */
  readonly namespace?: string | undefined;
  /** The registry of images without a full reference. */
  readonly imageRegistry?: string | undefined;
  readonly project?: string | undefined;
  /** Absent: `direct` inside a cluster, `forward` outside. */
  readonly reach?: 'direct' | 'forward' | undefined;
  /** How long a buildlet lives without use. */
  readonly idleTimeoutMs: number;
  /** How long it lives at most. */
  readonly maxLifetimeMs: number;
  /** How long a pod may wait for a node, for example where nodes are added on demand. */
  readonly scheduleTimeoutMs: number;
  /** Absent: buildlets have no caches. */
  readonly caches?: CacheVolumes | undefined;
}

/** The volumes that claims of caches ask for. */
export interface CacheVolumes {
  /** A Kubernetes quantity. */
  readonly size: string;
  /** Absent: the cluster's default storage class. */
  readonly class?: string | undefined;
  /** `ReadWriteOnce`: pods that share a cache are on one node. */
  readonly access: 'ReadWriteOnce' | 'ReadWriteMany';
}

const quantity = v.pipe(
  v.string(),
  v.regex(/^[0-9.]+(m|[kMGTPE]i?|Ki)?$/, 'a quantity is such as "2", "500m" or "4Gi"'),
);

const accessModes = ['ReadWriteOnce', 'ReadWriteMany'] as const;

export const kubernetesSection = v.pipe(
  v.strictObject({
    kind: v.literal('kubernetes'),
    kubeconfig: v.optional(v.string()),
    context: v.optional(v.string()),
    namespace: v.optional(nameSchema),
    'image-registry': v.optional(v.string()),
    project: v.optional(v.string()),
    reach: v.optional(v.picklist(['direct', 'forward'], 'reach is "direct" or "forward"')),
    'idle-timeout': v.optional(lifetimeSchema, '30m'),
    'max-lifetime': v.optional(lifetimeSchema, '24h'),
    'schedule-timeout': v.optional(durationSchema, '0'),
    caches: v.optional(
      v.strictObject({
        size: quantity,
        class: v.optional(textSchema),
        access: v.optional(
          v.picklist(accessModes, 'access is "ReadWriteOnce" or "ReadWriteMany"'),
          'ReadWriteOnce',
        ),
      }),
    ),
  }),
  v.transform(
    ({
      kind,
      kubeconfig,
      context,
      namespace,
      project,
      reach,
      caches,
      ...file
    }): KubernetesConfig => ({
      ...{ kind, kubeconfig, context, namespace, project, reach, caches },
      imageRegistry: file['image-registry'],
      idleTimeoutMs: file['idle-timeout'],
      maxLifetimeMs: file['max-lifetime'],
      scheduleTimeoutMs: file['schedule-timeout'],
    }),
  ),
);

export const kubernetesTable = v.pipe(
  v.strictObject({
    image: v.pipe(v.string(), v.minLength(1, 'it names no image')),
    'image-pull-policy': v.optional(v.picklist(['Always', 'IfNotPresent', 'Never'])),
    port: v.optional(portSchema),
    cpu: v.optional(quantity),
    'cpu-limit': v.optional(quantity),
    memory: v.optional(quantity),
    disk: v.optional(quantity),
    command: v.optional(v.array(v.string())),
    template: v.optional(v.record(v.string(), v.unknown())),
  }),
  v.transform(
    ({
      'image-pull-policy': imagePullPolicy,
      'cpu-limit': cpuLimit,
      ...rest
    }): KubernetesMachine => ({ ...rest, imagePullPolicy, cpuLimit }),
  ),
);
