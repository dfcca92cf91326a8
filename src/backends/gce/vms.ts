// Lists machines, and requests the deletion of one.
import { KeyPair } from '../../client/key-pair.ts';
import { ComputeApi } from './compute.ts';
import type { GceAuth, GceCallOptions, Vm } from './options.ts';
import { metadataKeys, metadataOf, reachOf } from './vm.ts';

/** As in `virtual-machines.ts`, where it is described. */
export async function listVMs(
  auth: GceAuth | undefined,
  project: string,
  zone: string,
  options: GceCallOptions = {},
): Promise<Vm[]> {
  const { signal, endpoint, gate } = options;
  const api = new ComputeApi({ auth, project, endpoint, gate });
  const instances = await api.list('', { signal }, zone);
  return instances.flatMap((instance) => {
    const type = metadataOf(instance).get(metadataKeys.hostType);
    if (!type) return [];
    const reach = reachOf(instance);
    const tls = reach?.tls ?? new KeyPair('', '');
    return [{ name: instance.name ?? '', ipPort: reach?.ipPort, tls, type }];
  });
}

/** As in `virtual-machines.ts`, where it is described. */
export async function destroyVM(
  auth: GceAuth | undefined,
  project: string,
  zone: string,
  instance: string,
  options: GceCallOptions = {},
): Promise<void> {
  const { signal, endpoint, gate } = options;
  const api = new ComputeApi({ auth, project, endpoint, gate });
  await api.delete(zone, instance, { signal });
}
