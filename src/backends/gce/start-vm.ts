// Starts a virtual machine and waits for its buildlet; what fails or is cancelled leaves no machine.
import { randomUUID } from 'node:crypto';
import { builtInCatalogue, type Catalogue, findHostType, type HostType } from '../../builders.ts';
import { BuildletClient } from '../../client/buildlet-client.ts';
import { type KeyPair, NoKeyPair } from '../../client/key-pair.ts';
import { GomoteError, isGomoteError, PlatformError } from '../../errors.ts';
import type { Gate } from '../../rate-limit.ts';
import { ComputeApi, type GceAuth, type VmInstance } from './compute.ts';
import { isRefusal } from './errors.ts';
import { probeVm } from './probe.ts';
import { removeVm, removeVmOf } from './remove-vm.ts';
import { gceMachineOf, reachOf, type VmRequest, vmBody } from './vm.ts';

type Hook<T extends unknown[] = []> = ((...args: T) => void | Promise<void>) | undefined;

/** How to reach the API. */
export interface GceCallOptions {
  signal?: AbortSignal | undefined;
  /** Where the Compute API is. Default: Google's own. */
  endpoint?: string | undefined;
  /** Awaited before every call of the API, after `gceGate.hook`. */
  gate?: Gate | undefined;
}

export interface CreatedVm {
  readonly zone: string;
  readonly name: string;
}

export interface StartVmOptions extends GceCallOptions {
  /** Such as `us-central1-f`. Required. */
  zone: string;
  /** Required. */
  projectId: string;
  /** More zones, tried in this order when the one before has no room. */
  moreZones?: readonly string[] | undefined;
  /** Where host types named by text are looked up. Default: the built-in catalogue. */
  catalogue?: Catalogue | undefined;
  /** The key pair of its TLS server. Default: plain HTTP without a password, for inside the network. */
  tls?: KeyPair | undefined;
  /** For people who look at the machine. */
  description?: string | undefined;
  /** More metadata. */
  meta?: Readonly<Record<string, string>> | undefined;
  labels?: Readonly<Record<string, string>> | undefined;
  /** How long it lives at most, in ms. Default 30 minutes; Infinity: until someone deletes it. */
  deleteInMs?: number | undefined;
  /** Whether it has an address outside of its network, and is reached by it. Default: with TLS. */
  externalIp?: boolean | undefined;
  /** Where its buildlet listens. Default 443 with TLS, else 80. */
  port?: number | undefined;
  /** How long the buildlet may take to answer once the machine runs, in ms. Default 5 minutes. */
  probeTimeoutMs?: number | undefined;
  /** The machine was asked for. */
  onInstanceRequested?: Hook;
  /** The machine is there. */
  onInstanceCreated?: Hook<[vm: CreatedVm]>;
  /** Its address is known. */
  onGotInstanceInfo?: Hook;
  /** Before each try to reach its buildlet. */
  onBeginBuildletProbe?: Hook<[url: string]>;
  /** After each try; undefined: it answered. */
  onEndBuildletProbe?: Hook<[error: unknown]>;
  /**
   * Called when no zone has a spot or preemptible machine; gives the name for one at full price. Default: none is
   * tried, and the call fails with ERR_NO_CAPACITY.
   */
  fallbackToFullPrice?: (() => string | Promise<string>) | undefined;
  /** Told in a few words what is being waited for. */
  onProgress?: ((step: string) => void) | undefined;
}

/** How long Compute Engine may take to make a machine, in ms. */
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

export interface StartedVm {
  readonly client: BuildletClient;
  readonly instance: VmInstance;
}

/** As `startNewVM`, over an API that is open already. */
export async function startVm(
  api: ComputeApi,
  name: string,
  hostType: HostType,
  options: StartVmOptions,
): Promise<StartedVm> {
  const { pricing = 'standard' } = gceMachineOf(hostType);
  const { tls = NoKeyPair, deleteInMs = defaultDeleteInMs, fallbackToFullPrice } = options;
  const base = {
    hostType,
    tls,
    deleteInMs,
    description: options.description ?? `buildlet of host type ${hostType.name}`,
    meta: options.meta ?? {},
    labels: options.labels ?? {},
    hasExternalIp: options.externalIp ?? !tls.isZero(),
    port: options.port,
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
    return { client, instance };
  } catch (error) {
    const cause = signal.aborted ? abortedBy(signal) : error;
    throw await removeVm(api, { zone, name, operation, error: cause });
  }
}

/** Asks for the machine; a request whose answer did not come is undone. */
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
  return new PlatformError('ERR_MACHINE', '', `${name} has got no ${kind} IP address`, {
    hint: 'look at the network of the project, and at its policy for external addresses',
  });
}
