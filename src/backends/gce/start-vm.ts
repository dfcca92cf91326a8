// Starts a virtual machine and waits for its buildlet. A failure or cancellation leaves no machine.
import { randomUUID } from 'node:crypto';
import { builtInCatalogue, findHostType, type HostType } from '../../builders.ts';
import { BuildletClient } from '../../client/buildlet-client.ts';
import { NoKeyPair } from '../../client/key-pair.ts';
import { checkedDurationMs } from '../../client/time-limit.ts';
import { GomoteError, isGomoteError, PlatformError } from '../../errors.ts';
import { checkMounts } from './cache-disks.ts';
import { ComputeApi, type VmInstance } from './compute.ts';
import { isRefusal } from './errors.ts';
import type { GceAuth, StartVmOptions } from './options.ts';
import { probeVm } from './probe.ts';
import { removeVm, removeVmOf } from './remove-vm.ts';
import { gceMachineOf, type MachineDisks, reachOf, type VmRequest, vmBody } from './vm.ts';

/** The time limit for Compute Engine to create a machine, in ms. */
const createTimeoutMs = 10 * 60_000;

const defaultDeleteInMs = 30 * 60_000;

/** As in `virtual-machines.ts`, where it is described. */
export async function startNewVM(
  auth: GceAuth | undefined,
  name: string,
  hostType: string | HostType,
  options: StartVmOptions,
): Promise<BuildletClient> {
  const { catalogue = builtInCatalogue, projectId: project, endpoint, gate } = options;
  for (const key of ['zone', 'projectId'] as const) {
    if (!options[key]) throw new GomoteError('ERR_USAGE', `startNewVM needs the option ${key}`);
  }
  const host = typeof hostType === 'string' ? findHostType(catalogue, hostType) : hostType;
  const api = new ComputeApi({ auth, project, endpoint, gate });
  return (await startVm(api, name, host, options)).client;
}

interface StartedVm {
  readonly client: BuildletClient;
  readonly instance: VmInstance;
}

/** Like `startNewVM`, with an open API. */
export async function startVm(
  api: ComputeApi,
  name: string,
  hostType: HostType,
  options: StartVmOptions & { readonly disks?: MachineDisks | undefined },
): Promise<StartedVm> {
  const { pricing = 'standard' } = gceMachineOf(hostType);
  const { tls = NoKeyPair, fallbackToFullPrice } = options;
  const deleteInMs = checkedDurationMs('deleteInMs', options.deleteInMs) || defaultDeleteInMs;
  checkedDurationMs('probeTimeoutMs', options.probeTimeoutMs);
  const base = {
    hostType,
    tls,
    deleteInMs,
    description: options.description ?? `buildlet of host type ${hostType.name}`,
    meta: options.meta ?? {},
    labels: options.labels ?? {},
    hasExternalIp: options.externalIp ?? !tls.isZero(),
    port: options.port,
    disks: options.disks,
  };
  const zones = [options.zone, ...(options.moreZones ?? [])];
  const inAnyZone = (as: Pick<VmRequest, 'name' | 'pricing'>) =>
    firstWithRoom(zones, (zone) =>
      startIn(api, { ...base, ...as, zone, requestId: randomUUID() }, options),
    );
  try {
    return await inAnyZone({ name, pricing });
  } catch (error) {
    const isExhausted = isGomoteError(error, 'ERR_NO_CAPACITY');
    if (!isExhausted || pricing === 'standard' || fallbackToFullPrice === undefined) throw error;
    options.onProgress?.(`no ${pricing} machine to be had: trying one at full price`);
    return await inAnyZone({ name: await fallbackToFullPrice(), pricing: 'standard' });
  }
}

async function firstWithRoom<T>(
  zones: readonly string[],
  start: (zone: string) => Promise<T>,
): Promise<T> {
  let failure: unknown;
  for (const zone of zones) {
    try {
      return await start(zone);
    } catch (error) {
      if (!isGomoteError(error, 'ERR_NO_CAPACITY')) throw error;
      failure = error;
    }
  }
  throw failure;
}

async function startIn(
  api: ComputeApi,
  request: VmRequest,
  options: StartVmOptions,
): Promise<StartedVm> {
  const { name, zone } = request;
  const { signal = new AbortController().signal } = options;
  const progress = options.onProgress ?? (() => undefined);
  if (signal.aborted) throw abortedBy(signal);
  progress(`asking for ${name} in ${zone}`);
  const operation = await insert(api, request, signal);
  try {
    signal.throwIfAborted();
    await options.onInstanceRequested?.();
    progress(`waiting for ${name} in ${zone}`);
    const what = `cannot create ${name} in ${zone}`;
    await api.waitFor(what, zone, operation, { signal, timeoutMs: createTimeoutMs });
    await options.onInstanceCreated?.({ zone, name });
    const instance = await api.get(zone, name, { signal });
    const reach = reachOf(instance);
    if (reach === undefined) throw noAddress(request);
    await options.onGotInstanceInfo?.();
    progress(`waiting for the buildlet on ${name}`);
    const client = new BuildletClient(reach.ipPort, request.tls, { name, description: zone });
    await probeVm(api, client, { ...options, zone, name, signal });
    if (request.disks !== undefined) await checkMounts(client, signal);
    return { client, instance };
  } catch (error) {
    const cause = signal.aborted ? abortedBy(signal) : error;
    throw await removeVm(api, { zone, name, operation, error: cause });
  }
}

/** Requests the machine. A request without an answer is undone. */
async function insert(api: ComputeApi, request: VmRequest, signal: AbortSignal) {
  const { zone, name, requestId } = request;
  try {
    const body = vmBody(api.project, request);
    return await api.insert(zone, body, requestId, { signal, mustAnswer: true });
  } catch (error) {
    if (!isRefusal(error)) await removeVmOf(api, { zone, name, requestId });
    throw signal.aborted ? abortedBy(signal) : error;
  }
}

function abortedBy({ reason }: AbortSignal): GomoteError {
  if (reason instanceof GomoteError) return reason;
  return new GomoteError('ERR_ABORTED', 'the call was cancelled', { cause: reason });
}

function noAddress({ name, hasExternalIp }: VmRequest): PlatformError {
  const kind = hasExternalIp ? 'external' : 'internal';
  return new PlatformError('ERR_MACHINE', '', `${name} did not get an ${kind} IP address`, {
    hint: 'look at the network of the project, and at its policy for external addresses',
  });
}
