// The disks that a new machine has for its caches.
import { hash } from 'node:crypto';
import { plainNamePart } from '../../builders.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import type { Cache } from '../../protocol/cache.ts';
import { cacheDisksFeature } from '../../protocol/features.ts';
import type { CreateCall } from '../backend.ts';
import type { ComputeApi } from './compute.ts';
import type { CacheDisks, GceConfig } from './config.ts';
import { type AttachedDisk, type Disk, listDisks } from './disks.ts';
import { type About, aboutOf, untilFree } from './kept-disks.ts';
import { filterOfName, keptLabels } from './record.ts';
import { type MachineDisks, zoneOf } from './vm.ts';

/** The disks of a new machine, and where it can be because of them. */
export interface ReadyDisks extends MachineDisks {
  readonly zones: GceConfig['zones'];
}

/** A disk for one user of the project, or for all. */
interface CacheDisk extends Cache {
  readonly disk: string;
  /** What its machine calls it. */
  readonly device: string;
  readonly owner: string | undefined;
}

/** The smallest disk. */
const leastGb = 10;

/** Calls `start` with the disks that its machine is to have. Throws ERR_CONFLICT when another machine has one of them. */
export async function withDisks<T>(
  api: ComputeApi,
  settings: Pick<GceConfig, 'caches' | 'zones'>,
  call: CreateCall,
  start: (disks: ReadyDisks | undefined) => Promise<T>,
): Promise<T> {
  const { host, user, cacheOwner = user } = call;
  const { caches: kind, zones } = settings;
  if (host.caches === undefined || kind === undefined) return await start(undefined);
  const caches = host.caches.map((cache) => cacheDisk(cache, cacheOwner));
  const ready = () => readyDisks(api, caches, { kind, zones, call });
  const disks = await ready();
  try {
    return await start(disks);
  } catch (error) {
    // Another machine has been given a disk meanwhile: this names it.
    if (isGomoteError(error, 'ERR_CONFLICT')) await ready();
    throw error;
  }
}

function cacheDisk(cache: Cache, user: string): CacheDisk {
  const owner = cache.shared ? undefined : user;
  const id = hash('sha256', JSON.stringify([owner, cache.name])).slice(0, 12);
  const readable = plainNamePart(cache.name).slice(0, 34);
  const disk = `gomote-cache-${readable}-${id}`.replaceAll(/-{2,}/g, '-');
  if (cache.mode === 'exclusive') return { ...cache, owner, disk, device: `cache-${id}` };
  const message = `the cache "${cache.name}" cannot be shared by machines of Compute Engine`;
  throw new GomoteError('ERR_UNSUPPORTED', message, {
    hint: 'one machine at a time can write to a disk: give it mode = "exclusive"',
  });
}

interface DisksCall {
  readonly kind: CacheDisks;
  readonly zones: GceConfig['zones'];
  readonly call: CreateCall;
}

async function readyDisks(
  api: ComputeApi,
  caches: readonly CacheDisk[],
  { kind, zones: given, call }: DisksCall,
): Promise<ReadyDisks> {
  const found = await Promise.all(caches.map((cache) => freeDiskOf(api, cache, given, call)));
  const zones = new Set(found.flatMap((disk) => (disk === undefined ? [] : [zoneOf(disk)])));
  const [zone, otherZone] = zones;
  if (zone !== undefined && otherZone !== undefined) {
    const message = `the disks of the caches are in different zones: ${zone} and ${otherZone}`;
    throw new GomoteError('ERR_CONFLICT', message, {
      hint: 'remove one of them: gomote cache purge NAME',
    });
  }
  return {
    zones: zone === undefined ? given : [zone],
    places: caches.map(({ path, device }) => `${path}:/dev/disk/by-id/google-${device}`).join('\n'),
    attachedIn: (inZone) =>
      caches.map((cache, i) => ({
        ...{ type: 'PERSISTENT', mode: 'READ_WRITE', boot: false, autoDelete: false },
        deviceName: cache.device,
        ...(found[i] === undefined
          ? { initializeParams: newDisk(cache, inZone, api.project, kind) }
          : { source: `projects/${api.project}/zones/${inZone}/disks/${cache.disk}` }),
      })),
  };
}

function newDisk(
  { disk, name, owner, maxBytes }: CacheDisk,
  zone: string,
  project: string,
  { sizeBytes, type }: CacheDisks,
): NonNullable<AttachedDisk['initializeParams']> {
  const sizeGb = Math.max(leastGb, Math.ceil((maxBytes ?? sizeBytes) / 1024 ** 3));
  return {
    diskName: disk,
    diskType: `projects/${project}/zones/${zone}/diskTypes/${type}`,
    diskSizeGb: String(sizeGb),
    labels: keptLabels('cache', owner),
    description: JSON.stringify({ cache: name, owner } satisfies About),
  };
}

/** The cache's disk, which no machine has; undefined when there is none. */
async function freeDiskOf(
  api: ComputeApi,
  cache: CacheDisk,
  zones: readonly string[],
  call: CreateCall,
): Promise<Disk | undefined> {
  const find = async () => {
    const all = await listDisks(api, filterOfName(cache.disk), call);
    // Two clients with different zones may each have made one.
    return all.filter((disk) => zones.includes(zoneOf(disk))).sort(byLastUse)[0];
  };
  const disk = await find();
  const about = disk && aboutOf(disk);
  if (disk === undefined) return undefined;
  if (about !== undefined && about.owner === cache.owner) {
    return await untilFree(api, cache.name, find, call);
  }
  throw new GomoteError('ERR_CONFLICT', `the disk ${cache.disk} is not a cache of gomote's`, {
    hint: `remove it: gcloud compute disks delete ${cache.disk} --zone ${zoneOf(disk)}`,
  });
}

/** Throws ERR_UNSUPPORTED, and disconnects, when the buildlet does not mount the disks of its machine. */
export async function checkMounts(client: BuildletClient, signal: AbortSignal): Promise<void> {
  try {
    if (await client.has(cacheDisksFeature, { signal })) return;
    throw new GomoteError('ERR_UNSUPPORTED', `the buildlet of ${client.name} mounts no caches`, {
      hint: 'it is of an older version, or of the Go project: put a newer one into the image of its host type',
    });
  } catch (error) {
    await client.disconnect();
    throw error;
  }
}

const byLastUse = (a: Disk, b: Disk): number =>
  (b.lastAttachTimestamp ?? '').localeCompare(a.lastAttachTimestamp ?? '');
