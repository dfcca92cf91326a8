// Virtual machines of Compute Engine, for users of the library; Google's client loads with the first call.
import type { HostType } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { untilAborted } from '../errors.ts';
import type { GceAuth, GceCallOptions, StartVmOptions, Vm } from './gce/options.ts';

/**
 * Makes a machine of the host type and gives a client of the buildlet on it, once that answers. When it fails or is
 * cancelled, no machine is left.
 *
 * @param auth Google credentials; undefined: the application's default ones.
 * @param name The machine's name: lower-case letters, digits and `-`, at most 63.
 * @param hostType A host type, or the name of one in the catalogue; ERR_UNKNOWN_TYPE when it has no `gce` machine.
 * @throws GomoteError ERR_USAGE without `zone` or `projectId`; ERR_UNKNOWN_TYPE for a host type that is not made
 *   there. PlatformError with Compute Engine's own word as `reason`: ERR_QUOTA, ERR_NO_CAPACITY, ERR_NAME_TAKEN,
 *   ERR_UNAUTHORIZED, ERR_UNAVAILABLE (after several tries), ERR_PLATFORM; ERR_MACHINE when the machine ended, has no
 *   address, or its buildlet did not answer. ERR_TIMEOUT when Compute Engine took more than ten minutes; ERR_ABORTED.
 * @example
 * const where = { projectId: 'my-project', zone: 'us-central1-f', tls: await newKeyPair() };
 * const client = await startNewVM(undefined, 'build-1', 'host-linux', where);
 */
export async function startNewVM(
  auth: GceAuth | undefined,
  name: string,
  hostType: string | HostType,
  options: StartVmOptions,
): Promise<BuildletClient> {
  const { startNewVM } = await import('./gce/start-vm.ts');
  return await untilAborted(options.signal, () => startNewVM(auth, name, hostType, options));
}

/**
 * All machines of the zone with a buildlet on them, also those of other tools that write the same metadata, such as
 * Go's coordinator.
 *
 * @throws PlatformError as `startNewVM`.
 *
 * @example
 * const all = await listVMs(undefined, 'my-project', 'us-central1-f');
 */
export async function listVMs(
  auth: GceAuth | undefined,
  project: string,
  zone: string,
  options: GceCallOptions = {},
): Promise<Vm[]> {
  const { listVMs } = await import('./gce/vms.ts');
  return await untilAborted(options.signal, () => listVMs(auth, project, zone, options));
}

/**
 * Asks for the end of a machine. Resolves once that is requested: the end itself takes a minute or so. To end the
 * buildlet on it at the same time: `client.destroyVM(() => destroyVM(auth, project, zone, instance))`.
 *
 * @throws PlatformError as `startNewVM`; ERR_PLATFORM with reason `notFound` when there is none.
 *
 * @example
 * await destroyVM(undefined, 'my-project', 'us-central1-f', 'build-1');
 */
export async function destroyVM(
  auth: GceAuth | undefined,
  project: string,
  zone: string,
  instance: string,
  options: GceCallOptions = {},
): Promise<void> {
  const { destroyVM } = await import('./gce/vms.ts');
  await untilAborted(options.signal, () => destroyVM(auth, project, zone, instance, options));
}
