// The calls of the Compute API for disks.
import type { compute_v1 } from 'googleapis/build/src/apis/compute/v1.js';
import type { BackendCall } from '../backend.ts';
import { type ComputeApi, pageSize, type VmOperation } from './compute.ts';

export type Disk = compute_v1.Schema$Disk;
export type AttachedDisk = compute_v1.Schema$AttachedDisk;

/** How long Compute Engine may take to delete or detach one, in ms. */
const changeTimeoutMs = 120_000;

/** All disks of every zone that match the filter, page by page. */
export async function listDisks(
  api: ComputeApi,
  filter: string,
  call: BackendCall,
): Promise<Disk[]> {
  const found: Disk[] = [];
  let pageToken: string | undefined;
  do {
    const params = {
      ...{ project: api.project, filter, maxResults: pageSize },
      ...(pageToken !== undefined && { pageToken }),
    };
    const page: compute_v1.Schema$DiskAggregatedList = await api.ask(
      'cannot list disks',
      call,
      (compute, options) => compute.disks.aggregatedList(params, options),
    );
    found.push(...Object.values(page.items ?? {}).flatMap(({ disks = [] }) => disks));
    pageToken = page.nextPageToken || undefined;
  } while (pageToken !== undefined);
  return found;
}

export async function deleteDisk(
  api: ComputeApi,
  zone: string,
  disk: string,
  call: BackendCall,
): Promise<void> {
  const params = { project: api.project, zone, disk };
  await change(api, `cannot delete the disk ${disk} in ${zone}`, zone, call, (compute, options) =>
    compute.disks.delete(params, options),
  );
}

/** Takes a disk from a machine, which calls it by its device name. */
export async function detachDisk(
  api: ComputeApi,
  zone: string,
  instance: string,
  deviceName: string,
  call: BackendCall,
): Promise<void> {
  const params = { project: api.project, zone, instance, deviceName };
  await change(
    api,
    `cannot take a disk from ${instance} in ${zone}`,
    zone,
    call,
    (compute, options) => compute.instances.detachDisk(params, options),
  );
}

async function change(
  api: ComputeApi,
  what: string,
  zone: string,
  call: BackendCall,
  ask: (
    compute: compute_v1.Compute,
    options: { signal: AbortSignal },
  ) => Promise<{ data: VmOperation }>,
): Promise<void> {
  const operation = await api.ask(what, call, ask);
  await api.waitFor(what, zone, operation, { ...call, timeoutMs: changeTimeoutMs });
}
