// Caches on Compute Engine: disks that outlive the machines that use them. Their state is in labels and the description.
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';
import { GomoteError } from '../../errors.ts';
import type { BackendCall, CreateCall, KeptCache } from '../backend.ts';
import { cacheInUse } from '../buildlet-errors.ts';
import type { ComputeApi } from './compute.ts';
import { type Disk, deleteDisk, detachDisk, listDisks } from './disks.ts';
import { isNotFound } from './errors.ts';
import { filterOf, filterOfName, isLeaving, recordOf } from './record.ts';
import { zoneOf } from './vm.ts';

/** How long a machine that is ending is waited for, in ms: it may take 90 s to shut down. */
const endTimeoutMs = 180_000;

const pauseMs = 500;

const aboutSchema = v.object({ cache: v.string(), owner: v.optional(v.string()) });

/** What a disk says about itself. */
export type About = v.InferOutput<typeof aboutSchema>;

/** Undefined: it is no cache of ours. */
export function aboutOf({ description, labels }: Disk): About | undefined {
  if (labels?.gomote !== 'cache') return undefined;
  try {
    return v.parse(aboutSchema, JSON.parse(description ?? ''));
  } catch {
    return undefined;
  }
}

/** Waits for machines that are being deleted, and takes the disk from one that has stopped. Throws ERR_CONFLICT when another has it. */
export async function untilFree(
  api: ComputeApi,
  name: string,
  find: () => Promise<Disk | undefined>,
  call: BackendCall & Pick<CreateCall, 'onProgress'>,
): Promise<Disk | undefined> {
  const deadline = Date.now() + endTimeoutMs;
  for (let told = ''; ; ) {
    const disk = await find();
    const [user] = disk?.users ?? [];
    if (disk === undefined || (user === undefined && disk.status !== 'DELETING')) return disk;
    const vmName = user?.split('/').at(-1) ?? '';
    const isEnding = user !== undefined && !(await giveUp(api, name, disk, vmName, call));
    if (isEnding && told !== vmName) call.onProgress?.(`waiting until ${vmName} has ended`);
    told = vmName;
    if (Date.now() > deadline) {
      const message = `the disk of the cache "${name}" is still being taken from a machine`;
      throw new GomoteError('ERR_CONFLICT', message, { hint: 'try again later' });
    }
    await sleep(pauseMs, undefined, { signal: call.signal });
  }
}

/** Takes the disk from a machine that has stopped. Returns whether it had. Throws ERR_CONFLICT while it runs. */
async function giveUp(
  api: ComputeApi,
  name: string,
  disk: Disk,
  vmName: string,
  call: BackendCall,
): Promise<boolean> {
  const zone = zoneOf(disk);
  try {
    const instance = await api.get(zone, vmName, call);
    const record = recordOf(instance);
    if (isLeaving(instance)) return false;
    if (record?.dead !== 'stopped') throw cacheInUse(name, record?.name ?? vmName, true);
    const device = instance.disks?.find(({ source }) => source?.endsWith(`/disks/${disk.name}`));
    if (device?.deviceName) await detachDisk(api, zone, vmName, device.deviceName, call);
    return true;
  } catch (error) {
    // It has been deleted meanwhile.
    if (isNotFound(error)) return true;
    throw error;
  }
}

/** The caches of a user; undefined: of everybody. */
async function disksOf(api: ComputeApi, user: string | undefined, call: BackendCall) {
  const disks = await listDisks(api, filterOf(user, 'cache'), call);
  return disks.flatMap((disk) => {
    const about = aboutOf(disk);
    // A label is shorter than a name: two users may have the same one.
    const isOurs = about !== undefined && (user === undefined || about.owner === user);
    return isOurs ? [{ disk, about }] : [];
  });
}

export async function listCaches(
  api: ComputeApi,
  user: string | undefined,
  call: BackendCall,
): Promise<KeptCache[]> {
  const disks = await disksOf(api, user, call);
  const isUsed = disks.some(({ disk: { users } }) => users && users.length > 0);
  const machines = isUsed ? await api.list(filterOf(undefined), call) : [];
  const records = machines
    .filter((machine) => !isLeaving(machine))
    .map(recordOf)
    .filter((record) => record !== undefined)
    .filter(({ dead }) => dead !== 'stopped');
  const caches = disks.map(({ disk, about }) => ({
    name: about.cache,
    owner: about.owner,
    bytes: Number(disk.sizeGb ?? 0) * 1024 ** 3,
    used: lastUse(disk),
    buildlets: records
      .filter((record) => record.zone === zoneOf(disk) && hasUser(disk, record.vmName))
      .map(({ name }) => name),
    machine: zoneOf(disk),
  }));
  return caches.sort((a, b) => a.name.localeCompare(b.name, 'en'));
}

const hasUser = ({ users }: Disk, vmName: string): boolean =>
  users?.some((url) => url.endsWith(`/instances/${vmName}`)) ?? false;

function lastUse({ lastAttachTimestamp, lastDetachTimestamp }: Disk): Date | undefined {
  const times = [lastAttachTimestamp, lastDetachTimestamp].map((time) => Date.parse(time ?? ''));
  const latest = Math.max(...times.filter((time) => !Number.isNaN(time)));
  return Number.isFinite(latest) ? new Date(latest) : undefined;
}

/** Returns whether there was one. Throws ERR_CONFLICT while a machine has it. */
export async function purgeCache(
  api: ComputeApi,
  user: string | undefined,
  name: string,
  call: BackendCall,
): Promise<boolean> {
  const disks = (await disksOf(api, user, call)).filter(({ about }) => about.cache === name);
  for (const { disk } of disks) {
    const find = async () => {
      const all = await listDisks(api, filterOfName(disk.name ?? ''), call);
      return all.find(({ id }) => id === disk.id);
    };
    if ((await untilFree(api, name, find, call)) === undefined) continue;
    try {
      await deleteDisk(api, zoneOf(disk), disk.name ?? '', call);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  return disks.length > 0;
}
