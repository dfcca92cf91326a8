// What a pod has because of its caches.
import { hash } from 'node:crypto';
import type { V1PodSpec, V1VolumeMount } from '@kubernetes/client-node';
import { plainNamePart } from '../../builders.ts';
import type { Cache } from '../../protocol/cache.ts';
import type { CacheVolumes } from './config.ts';
import { labelValue } from './names.ts';

/** A claim for one user of the namespace, or for all. */
export interface CacheClaim extends Cache {
  readonly claim: string;
  readonly owner: string | undefined;
  /** The label of the pods that use it. */
  readonly label: string;
}

export function cacheClaim(cache: Cache, user: string): CacheClaim {
  const owner = cache.shared ? undefined : user;
  const id = hash('sha256', JSON.stringify([owner, cache.name])).slice(0, 12);
  const claim = `gomote-cache-${plainNamePart(cache.name)}-${id}`.replaceAll('--', '-');
  return { ...cache, owner, claim, label: `gomote/cache-${id}` };
}

/** The parts of a pod's manifest. */
export interface PodCaches {
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: Pick<V1PodSpec, 'affinity' | 'volumes'>;
  readonly mounts: V1VolumeMount[];
  /** Of the buildlet, which makes a link to each. */
  readonly args: readonly string[];
}

const directoryOf = (name: string): string => `/var/cache/gomote/${name}`;

/** On the pods of one user that share caches: they have to be on one node. */
const togetherLabel = 'gomote/caches-of';

export function podCaches(
  claims: readonly CacheClaim[],
  { access }: Pick<CacheVolumes, 'access'>,
  user: string,
): PodCaches {
  const isTogether = access === 'ReadWriteOnce' && claims.some(({ mode }) => mode !== 'exclusive');
  const together = { [togetherLabel]: labelValue(user) };
  return {
    labels: {
      ...Object.fromEntries(claims.map(({ label, mode = 'shared' }) => [label, mode])),
      ...(isTogether && together),
    },
    spec: {
      volumes: claims.map(({ claim }) => ({
        name: volumeName(claim),
        persistentVolumeClaim: { claimName: claim },
      })),
      ...(isTogether && {
        affinity: {
          podAffinity: {
            // The first one matches itself, and goes anywhere.
            requiredDuringSchedulingIgnoredDuringExecution: [
              { labelSelector: { matchLabels: together }, topologyKey: 'kubernetes.io/hostname' },
            ],
          },
        },
      }),
    },
    mounts: claims.map(({ claim, name }) => ({
      name: volumeName(claim),
      mountPath: directoryOf(name),
    })),
    args: claims.flatMap(({ name, path }) => ['--cache', `${path}:${directoryOf(name)}`]),
  };
}

/** At most 63 characters: the digest says which it is. */
const volumeName = (claim: string): string => `cache-${claim.slice(-12)}`;
