// The claim of a pod whose work directory is on a volume: it is made after the pod, and belongs to it.
import type { V1PersistentVolumeClaim, V1Pod } from '@kubernetes/client-node';
import type { WorkVolume } from '../../builders.ts';
import { labels, ownObjectName } from './pod.ts';
import { snapshotGroup } from './snapshot-calls.ts';

/** What a new volume begins with. */
export interface VolumeSource {
  /** The name of a VolumeSnapshot. */
  readonly snapshot: string;
  /** How large the volume has to be; undefined: that is not known. */
  readonly bytes: number | undefined;
}

/** The claim of a pod that was made for it. The cluster deletes it with the pod. */
export function workClaim(
  pod: V1Pod,
  { size, class: storageClassName }: WorkVolume,
  source: VolumeSource | undefined,
): V1PersistentVolumeClaim {
  const { name = '', uid = '', labels: own = {} } = pod.metadata ?? {};
  const isLarger = (source?.bytes ?? 0) > (bytesOf(size) ?? Infinity);
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: ownObjectName(pod),
      labels: {
        [labels.name]: name,
        [labels.role]: 'buildlet',
        [labels.owner]: own[labels.owner] ?? '',
      },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name, uid }],
    },
    spec: {
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: isLarger ? String(source?.bytes) : size } },
      ...(storageClassName !== undefined && { storageClassName }),
      ...(source !== undefined && {
        dataSource: { apiGroup: snapshotGroup, kind: 'VolumeSnapshot', name: source.snapshot },
      }),
    },
  };
}

const prefixes = ' kMGTPE';

/** A Kubernetes quantity such as `20Gi`; undefined for one that is written in another way. */
export function bytesOf(quantity: string): number | undefined {
  const [, digits, prefix = '', binary] = /^([0-9.]+)([kKMGTPE]?)(i?)$/.exec(quantity) ?? [];
  const power = prefix === '' ? 0 : prefixes.indexOf(prefix.replace('K', 'k'));
  const bytes = Math.ceil(Number(digits) * (binary === 'i' ? 1_024 : 1_000) ** power);
  return Number.isFinite(bytes) ? bytes : undefined;
}
