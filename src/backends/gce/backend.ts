// Buildlets on virtual machines of Compute Engine. Their state is in the machines' labels and metadata.
import type { BuilderType } from '../../builders.ts';
import { BuildletClient } from '../../client/buildlet-client.ts';
import { type KeyPair, newKeyPair } from '../../client/key-pair.ts';
import { GomoteError, isConnectionError, isGomoteError, PlatformError } from '../../errors.ts';
import { setNewest } from '../../newest.ts';
import { tokenBucket } from '../../rate-limit.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type {
  Backend,
  BackendCall,
  BackendContext,
  CacheKeeper,
  Cleanup,
  CreateCall,
  Diagnosis,
  ImageKeeper,
  ImageRequest,
  Instance,
  KeptImage,
  ListCall,
  Renewal,
  RequestLog,
  SharedNotes,
} from '../backend.ts';
import { deadBuildlet, unknownBuildlet } from '../buildlet-errors.ts';
import { withNewName } from '../new-name.ts';
import { renewalIntervalMs, Throttle } from '../renewal.ts';
import { type ReadyDisks, withDisks } from './cache-disks.ts';
import { ComputeApi, type VmInstance } from './compute.ts';
import type { GceConfig } from './config.ts';
import { isNotFound } from './errors.ts';
import { listCaches, purgeCache } from './kept-disks.ts';
import type { CreatedVm, GceAuth } from './options.ts';
import { reapVms } from './reap.ts';
import {
  describeVm,
  expiresLabel,
  filterOf,
  filterOfName,
  isLeaving,
  noteItem,
  recordOf,
  type VmRecord,
  vmNameOf,
} from './record.ts';
import { startVm } from './start-vm.ts';
import { gceMachineOf, reachOf, zoneOf } from './vm.ts';

export interface GceSettings extends GceConfig, BackendContext {
  /** Default: the application's default credentials. */
  readonly auth?: GceAuth | undefined;
}

export class GceBackend
  implements Backend, Partial<CacheKeeper>, Diagnosis, Renewal, SharedNotes, Cleanup, ImageKeeper
{
  readonly name: string;
  declare readonly caches?: CacheKeeper['caches'];
  declare readonly purgeCache?: CacheKeeper['purgeCache'];
  readonly #settings: GceSettings;
  readonly #onRequest: RequestLog;
  readonly #api: ComputeApi;
  readonly #throttle = new Throttle();
  /** Machines as `connect` has found them, for the renewal that follows. */
  readonly #found = new Map<string, VmRecord>();

  constructor(settings: GceSettings, onRequest: RequestLog) {
    const { project, endpoint, auth, apiRate } = settings;
    this.name = settings.name;
    this.#settings = settings;
    this.#onRequest = onRequest;
    const gate = tokenBucket({ perSecond: apiRate });
    this.#api = new ComputeApi({ project, endpoint, auth, gate, onRequest });
    if (settings.caches === undefined) return;
    const { user } = settings;
    this.caches = (call) => listCaches(this.#api, user, call);
    this.purgeCache = (cache, call) => purgeCache(this.#api, user, cache, call);
  }

  async create(builder: BuilderType, call: CreateCall): Promise<Instance> {
    const described = gceMachineOf(call.host);
    const machine = { ...described, image: call.image ?? described.image };
    const tls = await newKeyPair();
    const create = async (pricing: typeof machine.pricing) =>
      await withNewName(`${call.user}-${builder.name}`, async (name) => {
        const host = { ...call.host, gce: { ...machine, pricing } };
        return await withDisks(this.#api, this.#settings, call, (disks) =>
          this.#createAs(name, builder, { ...call, host, tls, disks }),
        );
      });
    const { pricing = 'standard' } = machine;
    try {
      return await create(pricing);
    } catch (error) {
      const isDear = isGomoteError(error, 'ERR_NO_CAPACITY') && pricing !== 'standard';
      if (call.signal.aborted || !isDear) throw error;
    }
    call.onProgress?.(`no ${pricing} machine to be had: trying one at full price`);
    return await create('standard');
  }

  async #createAs(
    name: string,
    builder: BuilderType,
    call: CreateCall & { readonly tls: KeyPair; readonly disks: ReadyDisks | undefined },
  ): Promise<Instance> {
    const { project, externalIp, port, idleTimeoutMs, maxLifetimeMs } = this.#settings;
    const { signal, onProgress, tls, user, host, labels: userLabels, disks } = call;
    const [zone, ...moreZones] = disks?.zones ?? this.#settings.zones;
    const vmName = vmNameOf(name);
    const { client, instance } = await startVm(this.#api, vmName, host, {
      ...{ zone, moreZones, projectId: project, externalIp, port, tls, signal, onProgress, disks },
      ...describeVm({ name, owner: user, builderType: builder.name, idleTimeoutMs, userLabels }),
      description: `gomote buildlet ${name}`,
      deleteInMs: maxLifetimeMs === 0 ? Number.POSITIVE_INFINITY : maxLifetimeMs,
      onInstanceCreated: (created) => this.#refuseSecond(created, signal),
    });
    await client.disconnect();
    const record = recordOf(instance);
    if (record !== undefined) return instanceOf(record);
    throw new PlatformError('ERR_PLATFORM', '', `${vmName} has lost its labels or metadata`);
  }

  /**
   * A machine's name is unique only in its zone: of two that were created at once in two zones under one name, the
   * younger gives way.
   */
  async #refuseSecond({ zone, name }: CreatedVm, signal: AbortSignal): Promise<void> {
    const [first] = (await this.#api.list(filterOfName(name), { signal })).sort(byAge);
    if (first === undefined || zoneOf(first) === zone) return;
    const message = `${name} is there already, in ${zoneOf(first)}`;
    throw new PlatformError('ERR_NAME_TAKEN', 'DUPLICATE_NAME', message);
  }

  async list(call: ListCall): Promise<Instance[]> {
    const { user } = this.#settings;
    const found = await this.#api.list(filterOf(user), call);
    return (
      found
        .filter((instance) => !isLeaving(instance))
        .map(recordOf)
        .filter((record) => record !== undefined)
        // A label is shorter than a name: two users may have the same one.
        .filter((record) => user === undefined || record.owner === user)
        .map(instanceOf)
        .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
    );
  }

  async connect(name: string, call?: BackendCall): Promise<BuildletClient> {
    const record = await this.#find(name, call?.signal);
    // Keep only the last ones: not every connection is followed by a renewal.
    setNewest(this.#found, name, record, foundLimit);
    const client = this.#clientOf(record);
    if (client !== undefined && record.dead === undefined) return client;
    const state = record.dead ?? 'without an IP address';
    throw new PlatformError('ERR_MACHINE', '', `the buildlet "${name}" is ${state}`, {
      hint: isComing(state) ? 'try again in a minute' : `gomote destroy ${name}`,
    });
  }

  #clientOf({ name, zone, instance }: VmRecord): BuildletClient | undefined {
    const reach = reachOf(instance);
    if (reach === undefined) return undefined;
    const diagnoseLoss = () => this.#diagnoseLoss(name);
    const options = { name, description: `(${zone})`, onRequest: this.#onRequest, diagnoseLoss };
    return new BuildletClient(reach.ipPort, reach.tls, options);
  }

  async #find(name: string, signal: AbortSignal | undefined): Promise<VmRecord> {
    const { user } = this.#settings;
    const found = await this.#api.list(filterOfName(vmNameOf(name)), { signal });
    const record = found
      .filter((instance) => !isLeaving(instance))
      .sort(byAge)
      .map(recordOf)
      .find((other) => other?.name === name && (user === undefined || other.owner === user));
    if (record !== undefined) return record;
    throw unknownBuildlet(`${this.name}: no buildlet "${name}"`);
  }

  async destroy(name: string, { signal }: BackendCall): Promise<void> {
    const record = await this.#find(name, signal);
    this.#found.delete(name);
    const { zone, vmName, dead } = record;
    const deleting = this.#api.delete(zone, vmName, { signal }).catch((error: unknown) => {
      // It has ended meanwhile.
      if (!isNotFound(error)) throw error;
    });
    const client = dead === undefined ? this.#clientOf(record) : undefined;
    // It does not matter whether the buildlet answers: its machine is deleted anyway.
    await client?.destroyVM(async () => void (await deleting)).catch(() => undefined);
    await deleting;
  }

  async renew(name: string, { signal }: BackendCall): Promise<void> {
    if (!this.#throttle.take(name)) return;
    const record = this.#found.get(name) ?? (await this.#find(name, signal));
    // This changes its labels: look it up the next time.
    this.#found.delete(name);
    const expiresMs = Date.now() + record.idleTimeoutMs;
    const shownMs = record.shownExpires?.getTime() ?? 0;
    if (record.idleTimeoutMs === 0 || expiresMs - shownMs < renewalIntervalMs) return;
    const { zone, instance } = record;
    const labels = expiresLabel(expiresMs);
    await this.#api.setLabels(zone, instance, labels, { signal }).catch((error: unknown) => {
      // Another client has just renewed it.
      if (!isConflict(error)) throw error;
    });
  }

  async note(
    name: string,
    amend: (note: string | undefined) => string,
    { signal }: BackendCall,
  ): Promise<void> {
    for (;;) {
      const { zone, instance, note: before } = await this.#find(name, signal);
      const note = amend(before);
      if (note === before) return;
      try {
        return await this.#api.setMetadata(zone, instance, noteItem(note), { signal });
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    }
  }

  async keepImage(name: string, request: ImageRequest): Promise<KeptImage> {
    const record = await this.#find(name, request.signal);
    const client = this.#clientOf(record);
    try {
      // What is only in its memory would not be in the image.
      await client?.exec('sync', { systemLevel: true, signal: request.signal });
    } finally {
      await client?.disconnect();
    }
    const { keepImage } = await import('./images.ts');
    return await keepImage(this.#api, record, request);
  }

  async removeImage(id: string, call: BackendCall): Promise<void> {
    const { removeImage } = await import('./images.ts');
    await removeImage(this.#api, id, call);
  }

  async reap(call: BackendCall): Promise<string[]> {
    return await reapVms(this.#api, call);
  }

  async explain(name: string, error: GomoteError): Promise<GomoteError> {
    const isOfMachine = ['ERR_CERTIFICATE', 'ERR_MACHINE'].includes(error.code);
    if (!isOfMachine && !isConnectionError(error)) return error;
    return (await this.#diagnoseLoss(name, error)) ?? error;
  }

  /** Why the buildlet will never answer again; undefined: it may, or unknown. */
  async #diagnoseLoss(name: string, cause?: GomoteError): Promise<GomoteError | undefined> {
    try {
      const { dead } = await this.#find(name, timeoutSignal(lookTimeoutMs));
      if (dead === undefined || isComing(dead)) return undefined;
      return deadBuildlet(name, `the machine of "${name}" is ${dead}`, cause);
    } catch (failure) {
      if (!isGomoteError(failure, 'ERR_UNKNOWN_BUILDLET')) return undefined;
      return new GomoteError(failure.code, failure.message, { hint: failure.hint, cause });
    }
  }
}

/** How many machines are remembered from `connect` to the renewal that follows it. */
const foundLimit = 256;

/** Whether a machine that cannot be used may be soon. */
const isComing = (dead: string): boolean => dead === 'starting' || dead === 'repairing';

/** Whether another has written since it was read. */
const isConflict = (error: unknown): boolean =>
  error instanceof PlatformError && error.reason === 'conditionNotMet';

/** The time limit for inspecting the machine of a buildlet that does not answer, in ms. */
const lookTimeoutMs = 10_000;

/** The order of creation; ids decide between equal times. */
const byAge = (a: VmInstance, b: VmInstance): number =>
  Date.parse(a.creationTimestamp ?? '') - Date.parse(b.creationTimestamp ?? '') ||
  (a.id ?? '').localeCompare(b.id ?? '', 'en', { numeric: true });

/** What is shown of a record. */
const instanceOf = ({ zone, vmName, idleTimeoutMs, shownExpires, instance, ...shown }: VmRecord) =>
  shown;
