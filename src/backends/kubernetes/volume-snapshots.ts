// Snapshots of the volumes that work directories are on, for later pods.
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1Pod } from '@kubernetes/client-node';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError } from '../../errors.ts';
import type { BackendCall, CreateCall, ImageRequest, KeptImage } from '../backend.ts';
import type { Cluster } from './cluster.ts';
import { labelValue } from './names.ts';
import { annotations, labels, ownerOf } from './pod.ts';
import { claimNameOf } from './pod-volume.ts';
import type { SnapshotStatus } from './snapshot-calls.ts';
import { bytesOf, type VolumeSource } from './work-claim.ts';

const nameOf = (id: string): string => `gomote-snapshot-${id}`;

/** In ms. */
export const snapshotLimits = {
  /** Until something on the cluster says that it has begun. */
  begin: 60_000,
  /** How long an error may last: the cluster tries again, and some pass. */
  error: 10_000,
  /** Some clouds copy the whole volume to another place. */
  ready: 30 * 60_000,
  poll: 500,
};

/** Makes a snapshot of the volume as it is now, as after a power failure. Throws ERR_UNSUPPORTED for a pod without one. */
export async function keepVolume(
  cluster: Cluster,
  pod: V1Pod,
  connect: () => Promise<BuildletClient>,
  { id, signal }: ImageRequest,
  limits = snapshotLimits,
): Promise<KeptImage> {
  const { name: podName, annotations: notes = {} } = pod.metadata ?? {};
  const claim = claimNameOf(pod);
  if (claim === undefined)
    throw noVolume(`the work directory of ${podName}`, notes[annotations.hostType] ?? '');
  await writeOut(connect, signal);
  const name = nameOf(id);
  const owner = ownerOf(pod);
  await cluster.snapshots.create(
    {
      name,
      labels: { [labels.role]: 'snapshot', [labels.owner]: labelValue(owner) },
      annotations: { [annotations.owner]: owner },
      claim,
      class: notes[annotations.snapshotClass],
    },
    { signal },
  );
  const { restoreSize = '' } = await whenReady(cluster, name, signal, limits);
  return { image: name, bytes: bytesOf(restoreSize) ?? 0 };
}

const noVolume = (what: string, hostType: string): GomoteError =>
  new GomoteError('ERR_UNSUPPORTED', `${what} is not on a volume, and only volumes have images`, {
    hint: `give [hosts.${hostType}.kubernetes] a work-volume = { size = "20Gi" }, for later buildlets`,
  });

/** Writes out what is only in the memory of the pod's node, and would not be in the snapshot. */
async function writeOut(
  connect: () => Promise<BuildletClient>,
  signal: AbortSignal,
): Promise<void> {
  const client = await connect();
  try {
    const { ok, state } = await client.exec('sync', { systemLevel: true, signal });
    if (!ok) throw new GomoteError('ERR_MACHINE', `cannot write out the volume: sync: ${state}`);
  } finally {
    await client.disconnect();
  }
}

async function whenReady(
  cluster: Cluster,
  name: string,
  signal: AbortSignal,
  limits: typeof snapshotLimits,
): Promise<NonNullable<SnapshotStatus>> {
  const begunMs = Date.now();
  let failingMs: number | undefined;
  for (;;) {
    const found = await cluster.snapshots.read(name, { signal });
    if (found === undefined) {
      throw new GomoteError('ERR_MACHINE', `the volume snapshot ${name} was removed`, {
        hint: 'somebody else has done that: try again',
      });
    }
    const { status } = found;
    if (status?.readyToUse === true) return status;
    const nowMs = Date.now();
    failingMs = status?.error && (failingMs ?? nowMs);
    if (status?.error !== undefined && nowMs - (failingMs ?? nowMs) >= limits.error)
      throw failed(status.error.message);
    if (status === undefined && nowMs - begunMs >= limits.begin) {
      const message = `nothing on the cluster has begun the volume snapshot after ${limits.begin / 1_000} s`;
      throw new GomoteError('ERR_TIMEOUT', message, {
        hint: 'is a snapshot controller running? docs/kubernetes.md says what is needed',
      });
    }
    if (nowMs - begunMs >= limits.ready) {
      const message = `the volume snapshot is not ready after ${limits.ready / 60_000} min`;
      throw new GomoteError('ERR_TIMEOUT', message, { hint: 'ask the administrator why' });
    }
    await sleep(limits.poll, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

function failed(message: string): GomoteError {
  const isClass = /snapshot ?class/i.test(message);
  return new GomoteError(
    isClass ? 'ERR_CONFIG' : 'ERR_MACHINE',
    `the cluster cannot make the volume snapshot: ${message.replaceAll(/\s+/g, ' ')}`,
    {
      hint: isClass
        ? 'name a VolumeSnapshotClass of the storage: snapshot-class in work-volume of the host type'
        : 'kubectl describe volumesnapshot may say more; not every storage can make snapshots',
    },
  );
}

/** It is not an error when it is gone. A volume that is being made of it is finished first, by the cluster. */
export const removeSnapshot = (
  cluster: Cluster,
  id: string,
  { signal }: BackendCall,
): Promise<void> => cluster.snapshots.delete(nameOf(id), { signal });

/** What the volume of a new pod begins with, if with anything. Throws ERR_PLATFORM when the image cannot be used. */
export async function sourceOf(
  cluster: Cluster,
  { image: snapshot, host, signal }: CreateCall,
): Promise<VolumeSource | undefined> {
  if (snapshot === undefined) return undefined;
  if (host.kubernetes?.workVolume === undefined)
    throw noVolume('the work directory of the new buildlet', host.name);
  const found = await cluster.snapshots.read(snapshot, { signal });
  if (found?.status?.readyToUse === true)
    return { snapshot, bytes: bytesOf(found.status.restoreSize ?? '') };
  const what = found === undefined ? 'no longer there' : 'not ready';
  throw new GomoteError('ERR_PLATFORM', `the image of the snapshot is ${what}: ${snapshot}`, {
    hint: 'remove the snapshot, and make another',
  });
}
