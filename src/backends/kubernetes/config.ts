// The tables of pods: [backends.NAME] with kind "kubernetes", and [hosts.NAME.kubernetes].
import * as v from 'valibot';
import {
  durationSchema,
  lifetimeEntries,
  lifetimeNames,
  nameSchema,
  portSchema,
  tableOf,
  textSchema,
} from '../../config/values.ts';

const quantity = v.pipe(
  v.string(),
  v.regex(/^[0-9.]+(m|[kMGTPE]i?|Ki)?$/, 'a quantity is such as "2", "500m" or "4Gi"'),
);

/** The volumes that claims of caches ask for. */
const cacheVolumes = v.strictObject({
  size: quantity,
  /** Absent: the cluster's default storage class. */
  class: v.optional(textSchema),
  /** `ReadWriteOnce`: pods that share a cache are on one node. */
  access: v.optional(
    v.picklist(['ReadWriteOnce', 'ReadWriteMany'], 'access is "ReadWriteOnce" or "ReadWriteMany"'),
    'ReadWriteOnce',
  ),
});

export type CacheVolumes = v.InferOutput<typeof cacheVolumes>;

/** The volume that a work directory is on. */
const workVolume = tableOf(
  {
    size: quantity,
    /** Absent: the cluster's default storage class. */
    class: v.optional(textSchema),
    /** Absent: the default VolumeSnapshotClass of that storage. */
    'snapshot-class': v.optional(textSchema),
  },
  { 'snapshot-class': 'snapshotClass' },
);

export const kubernetesSection = tableOf(
  {
    kind: v.literal('kubernetes'),
    /** Absent: as kubectl finds it, or inside a cluster that cluster. */
    kubeconfig: v.optional(v.string()),
    /** Absent: the kubeconfig's current one. */
    context: v.optional(v.string()),
    /** Absent: the context's, else `default`. */
    namespace: v.optional(nameSchema),
    /** The registry of images without a full reference. */
    'image-registry': v.optional(v.string()),
    project: v.optional(v.string()),
    /** Absent: `direct` inside a cluster, `forward` outside. */
    reach: v.optional(v.picklist(['direct', 'forward'], 'reach is "direct" or "forward"')),
    ...lifetimeEntries,
    /** How long a pod may wait for a node, for example where nodes are added on demand. */
    'schedule-timeout': v.optional(durationSchema, '0'),
    /** Absent: buildlets have no caches. */
    caches: v.optional(cacheVolumes),
  },
  {
    'image-registry': 'imageRegistry',
    ...lifetimeNames,
    'schedule-timeout': 'scheduleTimeoutMs',
  },
);

export type KubernetesConfig = v.InferOutput<typeof kubernetesSection>;

export const kubernetesTable = tableOf(
  {
    image: v.pipe(v.string(), v.minLength(1, 'it names no image')),
    'image-pull-policy': v.optional(v.picklist(['Always', 'IfNotPresent', 'Never'])),
    port: v.optional(portSchema),
    cpu: v.optional(quantity),
    'cpu-limit': v.optional(quantity),
    memory: v.optional(quantity),
    disk: v.optional(quantity),
    command: v.optional(v.array(v.string())),
    'work-volume': v.optional(workVolume),
    template: v.optional(v.record(v.string(), v.unknown())),
  },
  {
    'image-pull-policy': 'imagePullPolicy',
    'cpu-limit': 'cpuLimit',
    'work-volume': 'workVolume',
  },
);
