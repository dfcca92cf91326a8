// Deletes machines past their lifetime, and those that their buildlets have powered off.
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import type { BackendCall } from '../backend.ts';
import type { ComputeApi, VmInstance } from './compute.ts';
import { isNotFound } from './errors.ts';
import { deleteAtOf, recordOf } from './record.ts';
import { metadataKeys, metadataOf, zoneOf } from './vm.ts';

/** Requests the deletion of each, and returns a line for each. Fails when one could not be deleted. */
export async function reapVms(api: ComputeApi, call: BackendCall): Promise<string[]> {
  const doomed = (await api.list('', call)).flatMap((instance) => {
    const why = whyToReap(instance);
    return why === undefined ? [] : [{ zone: zoneOf(instance), name: instance.name ?? '', why }];
  });
  const results = await Promise.allSettled(
    doomed.map(async ({ zone, name, why }) => {
      await api.delete(zone, name, call).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
      return `VM ${name} in ${zone}: ${why}`;
    }),
  );
  const failures = results.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  const [first] = failures;
  if (first !== undefined) {
    const code = isGomoteError(first) ? first.code : 'ERR_PLATFORM';
    throw new GomoteError(code, failures.map(messageOf).join('; '), { cause: first });
  }
  return results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

/** A buildlet's machine that is past its time, of any user; one of this user's that has stopped. */
function whyToReap(instance: VmInstance): string | undefined {
  if (!metadataOf(instance).has(metadataKeys.hostType)) return undefined;
  const deleteAt = deleteAtOf(instance);
  if (deleteAt !== undefined && deleteAt.getTime() < Date.now()) {
    return `to be deleted since ${deleteAt.toISOString()}`;
  }
  const dead = recordOf(instance)?.dead;
  return dead === 'stopped' || dead === 'suspended' ? dead : undefined;
}
