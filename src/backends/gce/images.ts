// Images of machines' boot disks, for later machines.
import { randomUUID } from 'node:crypto';
import type { BackendCall, ImageRequest, KeptImage } from '../backend.ts';
import type { ComputeApi } from './compute.ts';
import { isNotFound } from './errors.ts';
import { keptLabels, type VmRecord } from './record.ts';

/** How long Compute Engine may take to make or remove one, in ms. */
const imageTimeoutMs = 30 * 60_000;

const nameOf = (id: string): string => `gomote-snapshot-${id}`;

/** Makes an image of the disk as it is now, as after a power failure. */
export async function keepImage(
  api: ComputeApi,
  { name, zone, vmName, owner }: VmRecord,
  { id, signal }: ImageRequest,
): Promise<KeptImage> {
  const image = nameOf(id);
  const what = `cannot make an image of ${vmName} in ${zone}`;
  const body = {
    name: image,
    description: `of the gomote buildlet ${name}`,
    sourceDisk: `projects/${api.project}/zones/${zone}/disks/${vmName}`,
    labels: keptLabels('snapshot', owner),
  };
  const call = { signal, timeoutMs: imageTimeoutMs };
  await api.waitFor(what, undefined, await api.insertImage(what, body, randomUUID(), call), call);
  const { archiveSizeBytes } = await api.getImage(image, call);
  return {
    image: `projects/${api.project}/global/images/${image}`,
    bytes: Number(archiveSizeBytes ?? 0),
  };
}

/** It is not an error when it is gone. */
export async function removeImage(
  api: ComputeApi,
  id: string,
  { signal }: BackendCall,
): Promise<void> {
  const image = nameOf(id);
  try {
    const operation = await api.deleteImage(image, { signal });
    const call = { signal, timeoutMs: imageTimeoutMs };
    await api.waitFor(`cannot delete ${image}`, undefined, operation, call);
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
