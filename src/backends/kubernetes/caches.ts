// Caches of a cluster: claims that outlive the pods that use them. Their state is in labels and annotations.
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1PersistentVolumeClaim, V1Pod } from '@kubernetes/client-node';
import { GomoteError, isGomoteError } from '../../errors.ts';
import type { BackendCall, CreateCall, KeptCache } from '../backend.ts';
import { cacheInUse } from '../buildlet-errors.ts';
import type { Cluster } from './cluster.ts';
import type { CacheVolumes } from './config.ts';
import { labelValue } from './names.ts';
import { annotations, labels } from './pod.ts';
import { type CacheClaim, cacheClaim, type PodCaches, podCaches } from './pod-caches.ts';

const cacheAnnotation = 'gomote/cache';

/** How long a pod or a claim that is being deleted is waited for, in ms. */
const deletionMs = 180_000;

/** What a new pod with caches needs; undefined: it has none. The claims are there then. */
export async function readyCaches(
  cluster: Cluster,
  { host: { caches = [], name, kubernetes }, user, cacheOwner = user, signal }: CreateCall,
  volumes: CacheVolumes | undefined,
): Promise<{ parts: PodCaches; check: (pod: V1Pod) => Promise<void> } | undefined> {
  if (caches.length === 0 || volumes === undefined) return undefined;
  if (kubernetes?.command !== undefined) {
    throw new GomoteError('ERR_UNSUPPORTED', `the host type "${name}" can have no caches`, {
      hint: 'its own command takes no options of gomote: leave out one of both',
    });
  }
  const all = caches.find(({ shared }) => shared === true);
  if (all !== undefined && volumes.access === 'ReadWriteOnce') {
    throw new GomoteError('ERR_CONFIG', `the cache "${all.name}" cannot be shared by all users`, {
      hint: 'that needs volumes with access = "ReadWriteMany"',
    });
  }
  const claims = caches.map((cache) => cacheClaim(cache, cacheOwner));
  await makeClaims(cluster, claims, volumes, { signal });
  return {
    parts: podCaches(claims, volumes, cacheOwner),
    check: (pod) => checkUsers(cluster, pod, claims, { signal }),
  };
}

/** Makes the claims that are missing. */
async function makeClaims(
  cluster: Cluster,
  claims: readonly CacheClaim[],
  volumes: CacheVolumes,
  call: BackendCall,
): Promise<void> {
  for (const cache of claims) {
    const made = await whenSettled(cache.name, call, async () => {
      try {
        const found = await cluster.readClaim(cache.claim, call);
        const claim = found ?? (await cluster.createClaim(bodyOf(cache, volumes), call));
        return claim.metadata?.deletionTimestamp === undefined ? claim : undefined;
      } catch (error) {
        // Another client has made it since.
        if (isGomoteError(error, 'ERR_NAME_TAKEN')) return undefined;
        throw error;
      }
    });
    if (isCache(made) && ownerOf(made) === cache.owner) continue;
    throw new GomoteError('ERR_CONFLICT', `the claim ${cache.claim} is not a cache of gomote's`, {
      hint: `remove it: kubectl delete pvc ${cache.claim}`,
    });
  }
}

function bodyOf(
  { claim: name, name: cache, owner, maxBytes }: CacheClaim,
  { size, class: storageClassName, access }: CacheVolumes,
): V1PersistentVolumeClaim {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name,
      labels: {
        [labels.role]: 'cache',
        ...(owner !== undefined && { [labels.owner]: labelValue(owner) }),
      },
      annotations: {
        [cacheAnnotation]: cache,
        ...(owner !== undefined && { [annotations.owner]: owner }),
      },
    },
    spec: {
      accessModes: [access],
      resources: { requests: { storage: maxBytes === undefined ? size : String(maxBytes) } },
      ...(storageClassName !== undefined && { storageClassName }),
    },
  };
}

const isCache = ({ metadata }: V1PersistentVolumeClaim): boolean =>
  metadata?.labels?.[labels.role] === 'cache';

const ownerOf = ({ metadata }: V1PersistentVolumeClaim): string | undefined =>
  metadata?.annotations?.[annotations.owner];

/** Repeats until there is a result, while what stands in its way is being deleted. */
async function whenSettled<T>(
  name: string,
  { signal }: BackendCall,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + deletionMs;
  for (;;) {
    const result = await attempt();
    if (result !== undefined) return result;
    if (Date.now() > deadline) {
      throw new GomoteError('ERR_CONFLICT', `the cache "${name}" is still being removed`, {
        hint: 'try again when its pods have ended',
      });
    }
    await sleep(200, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/**
 * Throws ERR_CONFLICT when another pod has one of them, and either needs it for itself. The new pod is on the cluster
 * already: of two at once, no more than one finds nobody else.
 */
async function checkUsers(
  cluster: Cluster,
  { metadata: own }: V1Pod,
  claims: readonly CacheClaim[],
  call: BackendCall,
): Promise<void> {
  for (const { name, label, mode } of claims) {
    await whenSettled(name, call, async () => {
      const { pods } = await cluster.listPods(label, call);
      const rivals = pods.filter(
        (pod) =>
          pod.metadata?.uid !== own?.uid &&
          (mode === 'exclusive' || isSole(pod, label)) &&
          isUsing(pod),
      );
      const lasting = rivals.find(({ metadata }) => metadata?.deletionTimestamp === undefined);
      if (lasting !== undefined) throw held(name, lasting, label);
      return rivals.length === 0 || undefined;
    });
  }
}

const isUsing = ({ status }: V1Pod): boolean =>
  status?.phase !== 'Succeeded' && status?.phase !== 'Failed';

const isSole = ({ metadata }: V1Pod, label: string): boolean =>
  metadata?.labels?.[label] === 'exclusive';

const held = (name: string, pod: V1Pod, label: string): GomoteError =>
  cacheInUse(name, pod.metadata?.name ?? '', isSole(pod, label));

/** The claims of a user; undefined: of everybody. */
async function claimsOf(
  cluster: Cluster,
  user: string | undefined,
  call: BackendCall,
): Promise<V1PersistentVolumeClaim[]> {
  const found = await cluster.listClaims(`${labels.role}=cache`, call);
  return found.filter(
    (claim) =>
      claim.metadata?.deletionTimestamp === undefined &&
      (user === undefined || ownerOf(claim) === user),
  );
}

const nameOf = ({ metadata }: V1PersistentVolumeClaim): string =>
  metadata?.annotations?.[cacheAnnotation] ?? metadata?.name ?? '';

/** The pods that use the claim, but for those that are being deleted. */
const usersOf = (claim: V1PersistentVolumeClaim, pods: readonly V1Pod[]): V1Pod[] =>
  pods.filter(
    (pod) =>
      pod.metadata?.deletionTimestamp === undefined &&
      isUsing(pod) &&
      pod.spec?.volumes?.some(
        ({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName === claim.metadata?.name,
      ),
  );

export async function listCaches(
  cluster: Cluster,
  user: string | undefined,
  call: BackendCall,
): Promise<KeptCache[]> {
  const claims = await claimsOf(cluster, user, call);
  if (claims.length === 0) return [];
  const { pods } = await cluster.listPods(`${labels.role}=buildlet`, call);
  return claims
    .map((claim) => ({
      name: nameOf(claim),
      owner: ownerOf(claim),
      buildlets: usersOf(claim, pods).map(({ metadata }) => metadata?.name ?? ''),
    }))
    .sort((a, b) => a.name.localeCompare(b.name, 'en'));
}

/** Returns whether there was one. Throws ERR_CONFLICT while a pod has it. */
export async function purgeCache(
  cluster: Cluster,
  user: string | undefined,
  name: string,
  call: BackendCall,
): Promise<boolean> {
  const claims = (await claimsOf(cluster, user, call)).filter((claim) => nameOf(claim) === name);
  if (claims.length === 0) return false;
  const { pods } = await cluster.listPods(`${labels.role}=buildlet`, call);
  for (const claim of claims) {
    const [pod] = usersOf(claim, pods);
    if (pod !== undefined) throw held(name, pod, '');
    // The cluster keeps it until the last pod is gone.
    await cluster.deleteClaim(claim.metadata?.name ?? '', claim.metadata?.uid, call);
  }
  return true;
}
