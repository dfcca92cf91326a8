// Creates a pod with a buildlet and waits until it answers. A failure leaves nothing behind.
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Pod, V1Secret } from '@kubernetes/client-node';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, isGomoteError, PlatformError, unlessAborted } from '../../errors.ts';
import { anySignal } from '../../timeout-signal.ts';
import { waitUntilReady } from '../wait-until-ready.ts';
import type { Cluster } from './cluster.ts';
import { clusterError, isTransient, refusalOf } from './cluster-error.ts';
import { type FollowOptions, followPod } from './follow-pod.ts';
import {
  containerName,
  creationOf,
  ownObjectName,
  type PodPlan,
  type PodSecrets,
  podOf,
  secretOf,
} from './pod.ts';
import { claimNameOf } from './pod-volume.ts';
import type { PodWatch } from './pod-watch.ts';
import { type VolumeSource, workClaim } from './work-claim.ts';

export interface Launch extends FollowOptions {
  readonly plan: PodPlan;
  /** What the Secret holds. */
  readonly secrets: PodSecrets;
  /** What the volume of its work directory begins with, if it is on one. */
  readonly source?: VolumeSource | undefined;
  /** A client of the buildlet on the running pod. */
  readonly connect: (pod: V1Pod, ip: string) => Promise<BuildletClient>;
  /** Throws when the pod, which was just made, may not have its caches. */
  readonly check?: ((pod: V1Pod) => Promise<void>) | undefined;
  readonly onPodCreating?: (() => void) | undefined;
  readonly onPodCreated?: (() => void) | undefined;
  readonly onGotPodInfo?: (() => void) | undefined;
  readonly signal: AbortSignal;
}

interface Launched {
  readonly pod: V1Pod;
  readonly ip: string;
  readonly client: BuildletClient;
}

/** How long to wait for an unreachable server: while creating, cleaning up, and explaining a failure. */
const patienceMs = { create: 60_000, cleanUp: 30_000, explain: 3_000 };

export async function launchPod(
  cluster: Cluster,
  watch: PodWatch,
  launch: Launch,
): Promise<Launched> {
  const { plan, signal } = launch;
  const body = podOf(plan, launch.secrets);
  let made: V1Pod | undefined;
  const told = onceTold(launch.onPodCreating);
  try {
    made = await createOnce(`create pod ${plan.name}`, signal, {
      create: () => {
        const creating = cluster.createPod(body, { signal });
        told.tell();
        return creating;
      },
      find: async () => {
        const found = await cluster.readPod(plan.name, { patienceMs: patienceMs.create });
        return found && creationOf(found) === plan.creation ? found : undefined;
      },
    });
    told.throwIfFailed();
    await launch.check?.(made);
    return await bringUp(cluster, watch, launch, made);
  } catch (error) {
    // If that fails too, the cluster itself ends the pod at its deadline.
    if (made !== undefined) await removePod(cluster, made).catch(() => undefined);
    throw error;
  }
}

/** Calls the hook once. Its error is thrown only when no request is in progress, so that everything can be undone. */
function onceTold(hook: (() => void) | undefined) {
  let isTold = false;
  let failure: { readonly error: unknown } | undefined;
  return {
    tell(): void {
      if (isTold) return;
      isTold = true;
      try {
        hook?.();
      } catch (error) {
        failure = { error };
      }
    },
    throwIfFailed(): void {
      if (failure !== undefined) throw failure.error;
    },
  };
}

async function bringUp(
  cluster: Cluster,
  watch: PodWatch,
  launch: Launch,
  pod: V1Pod,
): Promise<Launched> {
  const { plan, signal } = launch;
  const { name } = plan;
  const followed = followPod(watch, pod, launch);
  let client: BuildletClient | undefined;
  let claimId: string | undefined;
  try {
    const secret = secretOf(pod, launch.secrets);
    await createOnce<V1Secret>(`create secret ${name}`, signal, {
      create: () => cluster.createSecret(secret),
      find: () => cluster.readSecret(ownObjectName(pod), { patienceMs: patienceMs.create }),
    });
    claimId = await createClaim(cluster, launch, pod);
    launch.onPodCreated?.();
    const ip = await unlessAborted(followed.ip, signal);
    launch.onGotPodInfo?.();
    client = await launch.connect(pod, ip);
    await waitUntilReady(client, { signal: anySignal(signal, followed.ended) });
    signal.throwIfAborted();
    return { pod, ip, client };
  } catch (error) {
    await client?.disconnect();
    if (signal.aborted || !(error instanceof GomoteError)) throw error;
    throw await withLastWords(cluster, pod, claimId, error);
  } finally {
    followed.stop();
  }
}

/**
 * Creates an object exactly once. A request in progress is never cancelled, since the server may still carry it out;
 * when the outcome is unknown, the object is looked up. After an abort, nothing is begun, and what may have
 * been created is found, so that the caller can remove it.
 */
async function createOnce<T>(
  doing: string,
  signal: AbortSignal,
  { create, find }: { create: () => Promise<T>; find: () => Promise<T | undefined> },
): Promise<T> {
  const deadline = Date.now() + patienceMs.create;
  for (let pauseMs = 50; ; pauseMs = Math.min(2 * pauseMs, 2_000)) {
    signal.throwIfAborted();
    try {
      return await create();
    } catch (error) {
      const isTaken = refusalOf(error)?.status === 409;
      if (!isTaken && !isTransient(error)) throw clusterError(doing, error);
      // Also when cancelled: the caller must know, in order to remove it.
      const found = await find().catch(() => undefined);
      if (found !== undefined) return found;
      const waitMs = refusalOf(error)?.retryAfterMs ?? pauseMs;
      if (isTaken || Date.now() + waitMs > deadline) throw clusterError(doing, error);
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** Returns the uid of the claim; undefined: the pod needs none. */
async function createClaim(
  cluster: Cluster,
  { plan, source, signal }: Launch,
  pod: V1Pod,
): Promise<string | undefined> {
  const { workVolume } = plan.machine;
  if (workVolume === undefined) return undefined;
  const body = workClaim(pod, workVolume, source);
  const call = { signal, patienceMs: patienceMs.create };
  try {
    return (await cluster.createClaim(body, call)).metadata?.uid;
  } catch (error) {
    // A reply was lost: nobody else uses this name.
    if (!isGomoteError(error, 'ERR_NAME_TAKEN')) throw error;
    return (await cluster.readClaim(ownObjectName(pod), call))?.metadata?.uid;
  }
}

/** Removes the pod with its Secret and its claim, which would be collected later. Throws the error of removing the pod. */
export async function removePod(cluster: Cluster, pod: V1Pod): Promise<void> {
  const call = { patienceMs: patienceMs.cleanUp };
  const [removal] = await Promise.allSettled([
    cluster.deletePod(pod.metadata?.name ?? '', pod.metadata?.uid, call),
    cluster.deleteSecret(ownObjectName(pod), call),
    ...(claimNameOf(pod) === ownObjectName(pod)
      ? [cluster.deleteClaim(ownObjectName(pod), undefined, call)]
      : []),
  ]);
  if (removal.status === 'rejected') throw removal.reason;
}

/** The error with the last messages of the cluster and the buildlet. */
async function withLastWords(
  cluster: Cluster,
  pod: V1Pod,
  claimId: string | undefined,
  error: GomoteError,
): Promise<GomoteError> {
  const { name = '', uid = '' } = pod.metadata ?? {};
  const call = { patienceMs: patienceMs.explain };
  const [events, ofClaim, log] = await Promise.all([
    cluster.eventsOf(uid, call).catch(() => []),
    claimId === undefined ? [] : cluster.eventsOf(claimId, call).catch(() => []),
    cluster.logOf(name, containerName, 5, call).catch(() => ''),
  ]);
  const warnings = [...events, ...ofClaim].filter(({ type }) => type === 'Warning');
  const latest = new Set(warnings.slice(-3).map(({ reason, message }) => `${reason}: ${message}`));
  const parts = [
    ...(latest.size > 0 ? [`events: ${[...latest].join(', ')}`] : []),
    ...(log.trim() === '' ? [] : [`its log ends: ${log.trim().split('\n').join(' | ')}`]),
  ];
  if (parts.length === 0) return error;
  const reason = error instanceof PlatformError ? error.reason : '';
  const message = `${error.message}; ${parts.join('; ')}`;
  return new PlatformError(error.code, reason, message, { hint: error.hint, cause: error });
}
