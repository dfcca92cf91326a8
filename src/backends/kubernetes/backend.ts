// Buildlets in pods. Their state is in the pods' labels and annotations and in their Secrets.
import { randomUUID } from 'node:crypto';
import type { V1Pod } from '@kubernetes/client-node';
import type { BuilderType } from '../../builders.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, isConnectionError, isGomoteError } from '../../errors.ts';
import { tokenBucket } from '../../rate-limit.ts';
import { SharedCall } from '../../shared-call.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
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
  Renewal,
  RequestLog,
  SharedNotes,
} from '../backend.ts';
import { othersBuildlet } from '../buildlet-errors.ts';
import { withNewName } from '../new-name.ts';
import { Throttle } from '../renewal.ts';
import type { Cluster } from './cluster.ts';
import type { KubernetesConfig } from './config.ts';
import { Connections, connectionOf, type PodConnection } from './connections.ts';
import { nameStem } from './names.ts';
import * as podData from './pod.ts';
import { directClient, forwardedClient } from './pod-client.ts';
import { died, lossError, unknown } from './pod-errors.ts';
import { stateOf, whyUnusable } from './pod-state.ts';
import type { PodWatch } from './pod-watch.ts';

export interface KubernetesSettings extends KubernetesConfig, BackendContext {}

/** The rate limit of calls to the API server: burst and steady rate. */
const gateRate = { perSecond: 50, burst: 100 };

/** The time limit for a pod to run, in ms, including the pull of large images. */
const startTimeoutMs = 10 * 60_000;

/** How long to wait for a buildlet known from the file before asking the cluster, in ms. */
const probeTimeoutMs = 3_000;

/** The time limit for a renewal, in ms: a finished command waits for it. */
const renewTimeoutMs = 5_000;

export class KubernetesBackend
  implements Backend, Partial<CacheKeeper>, ImageKeeper, Diagnosis, Renewal, SharedNotes, Cleanup
{
  readonly name: string;
  readonly imagesHaveWorkDir = true;
  declare readonly caches?: CacheKeeper['caches'];
  declare readonly purgeCache?: CacheKeeper['purgeCache'];
  readonly #settings: KubernetesSettings;
  readonly #onRequest: RequestLog;
  readonly #connections: Connections;
  readonly #throttle = new Throttle();
  /** Identifies the pods created by this process. */
  readonly #maker: string = randomUUID();
  #opened: Promise<{ cluster: Cluster; watch: PodWatch }> | undefined;
  #listing: SharedCall<V1Pod[]> | undefined;

  constructor(settings: KubernetesSettings, onRequest: RequestLog) {
    this.name = settings.name;
    this.#settings = settings;
    this.#onRequest = onRequest;
    this.#connections = new Connections(settings);
    if (settings.caches === undefined) return;
    const { user } = settings;
    const open = async () => (await this.#open()).cluster;
    this.caches = async (call) =>
      await (await import('./caches.ts')).listCaches(await open(), user, call);
    this.purgeCache = async (name, call) =>
      await (await import('./caches.ts')).purgeCache(await open(), user, name, call);
  }

  /** The library loads with the first request to the cluster. */
  async #open() {
    this.#opened ??= (async () => {
      const { Cluster } = await import('./cluster.ts');
      const { PodWatch } = await import('./pod-watch.ts');
      const cluster = Cluster.open({ ...this.#settings, gate: tokenBucket(gateRate) });
      const watch = new PodWatch(cluster, `${podData.labels.maker}=${this.#maker}`);
      return { cluster, watch };
    })();
    return await this.#opened;
  }

  async create(builder: BuilderType, call: CreateCall): Promise<Instance> {
    podData.kubernetesMachineOf(call.host);
    return await withNewName(nameStem(call.user, builder.name), async (name) => {
      call.signal.throwIfAborted();
      return await this.#createNamed(name, builder, call);
    });
  }

  async #createNamed(name: string, builder: BuilderType, call: CreateCall): Promise<Instance> {
    const { cluster, watch } = await this.#open();
    const [{ launchPod }, { readyCaches }, { sourceOf }, { newKeyPair }] = await Promise.all([
      import('./launch.ts'),
      import('./caches.ts'),
      import('./volume-snapshots.ts'),
      import('../../client/key-pair.ts'),
    ]);
    const { imageRegistry, project, idleTimeoutMs, maxLifetimeMs, scheduleTimeoutMs } =
      this.#settings;
    const machine = podData.kubernetesMachineOf(call.host);
    const secrets = podData.secretsOf(await newKeyPair());
    const source = await sourceOf(cluster, call);
    const caches = await readyCaches(cluster, call, this.#settings.caches);
    const { pod, ip, client } = await launchPod(cluster, watch, {
      plan: {
        ...{ name, machine, idleTimeoutMs, maxLifetimeMs },
        hostType: call.host.name,
        inheritEnv: call.host.inheritEnv,
        image: podData.imageReference(machine.image, imageRegistry, project),
        owner: call.user,
        userLabels: call.labels,
        maker: this.#maker,
        creation: randomUUID(),
        builderType: builder.name,
        caches: caches?.parts,
      },
      check: caches?.check,
      ...{ secrets, source, scheduleTimeoutMs, startTimeoutMs },
      volumeTimeoutMs: source && startTimeoutMs,
      connect: async (pod, ip) => await this.#clientOf(connectionOf(pod, ip, secrets)),
      onPodCreating: () => call.onProgress?.(`creating pod ${name}`),
      onPodCreated: () => call.onProgress?.(`waiting for pod ${name} to run`),
      onGotPodInfo: () => call.onProgress?.(`waiting for the buildlet on ${name}`),
      signal: call.signal,
    });
    await client.disconnect();
    this.#connections.write({ ...connectionOf(pod, ip, secrets), renewedAtMs: Date.now() });
    return podData.instanceOf(pod, undefined);
  }

  async list(call: BackendCall): Promise<Instance[]> {
    const { cluster } = await this.#open();
    const pods = await this.#pods(cluster, call);
    const { user } = this.#settings;
    return (
      pods
        .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
        // A label is shorter than a name: two users may have the same one.
        .filter((pod) => user === undefined || podData.ownerOf(pod) === user)
        .map((pod) => podData.instanceOf(pod, whyUnusable(pod)))
    );
  }

  /** The user's pods. Concurrent calls share one request, and each can be cancelled alone. */
  async #pods(cluster: Cluster, { signal }: BackendCall): Promise<V1Pod[]> {
    const selector = podData.buildletSelector(this.#settings.user);
    this.#listing ??= new SharedCall(async (shared) => {
      const { pods } = await cluster.listPods(selector, { signal: shared });
      return pods;
    });
    return await this.#listing.join(signal);
  }

  async connect(name: string, call?: BackendCall): Promise<BuildletClient> {
    const signal = call?.signal ?? new AbortController().signal;
    const known = this.#connections.read(name);
    if (known !== undefined) {
      const client = await this.#clientOf(known);
      const late = timeoutSignal(probeTimeoutMs);
      try {
        await client.probe({ signal: anySignal(signal, late) });
        this.#throttle.note(name, known.renewedAtMs);
        return client;
      } catch {
        await client.disconnect();
        signal.throwIfAborted();
        this.#connections.forget(name);
      }
    }
    const connection = await this.#askConnection(name, signal);
    this.#connections.write(connection);
    return await this.#clientOf(connection);
  }

  async #askConnection(name: string, signal: AbortSignal): Promise<PodConnection> {
    const { cluster } = await this.#open();
    const pod = await this.#find(cluster, name, signal);
    const secret = await cluster.readSecret(podData.ownObjectName(pod), { signal });
    const state = stateOf(pod);
    if (state.kind === 'running' && secret?.data !== undefined) {
      return connectionOf(pod, state.ip, podData.decodeSecret(secret.data));
    }
    if (state.kind === 'ended') throw died(name, `${state.reason}: ${state.message}`);
    throw new GomoteError('ERR_CONNECT', `the buildlet "${name}" is not running yet`, {
      hint: 'wait for the gomote create that makes it',
    });
  }

  /** The pod of a buildlet of ours. */
  async #find(cluster: Cluster, name: string, signal: AbortSignal): Promise<V1Pod> {
    const { user } = this.#settings;
    const isName = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name);
    const pod = isName ? await cluster.readPod(name, { signal }) : undefined;
    if (pod?.metadata?.labels?.[podData.labels.role] !== 'buildlet') throw unknown(name);
    const owner = podData.ownerOf(pod);
    if (user === undefined || owner === user) return pod;
    throw othersBuildlet(name, owner);
  }

  async #clientOf(pod: PodConnection): Promise<BuildletClient> {
    const { reach, kubeconfig, environment } = this.#settings;
    const diagnoseLoss = () => this.#diagnoseLoss(pod).catch(() => undefined);
    const options = { description: `(pod ${pod.name})`, onRequest: this.#onRequest, diagnoseLoss };
    const isInside = kubeconfig === undefined && Boolean(environment.KUBERNETES_SERVICE_HOST);
    if ((reach ?? (isInside ? 'direct' : 'forward')) === 'direct')
      return directClient(pod, options);
    return await forwardedClient((await this.#open()).cluster, pod, options);
  }

  async destroy(name: string, { signal }: BackendCall): Promise<void> {
    const { cluster } = await this.#open();
    const { removePod } = await import('./launch.ts');
    const pod = await this.#find(cluster, name, signal);
    this.#connections.forget(name);
    await removePod(cluster, pod);
  }

  async renew(name: string, { signal }: BackendCall): Promise<void> {
    const { idleTimeoutMs } = this.#settings;
    if (idleTimeoutMs === Infinity || !this.#throttle.take(name)) return;
    const late = timeoutSignal(renewTimeoutMs);
    const { cluster } = await this.#open();
    const expires = new Date(Date.now() + idleTimeoutMs).toISOString();
    await cluster.annotatePod(
      name,
      { [podData.annotations.expires]: expires },
      { signal: anySignal(signal, late) },
    );
    const known = this.#connections.read(name);
    if (known !== undefined) this.#connections.write({ ...known, renewedAtMs: Date.now() });
  }

  async note(
    name: string,
    amend: (note: string | undefined) => string,
    call: BackendCall,
  ): Promise<void> {
    const { cluster } = await this.#open();
    for (;;) {
      const { metadata } = await this.#find(cluster, name, call.signal);
      const before = metadata?.annotations?.[podData.annotations.note];
      const note = amend(before);
      if (note === before) return;
      try {
        const changes = { [podData.annotations.note]: note };
        return await cluster.annotatePod(name, changes, call, metadata?.resourceVersion);
      } catch (error) {
        // The pod has changed since it was read.
        if (!isGomoteError(error, 'ERR_NAME_TAKEN')) throw error;
      }
    }
  }

  async keepImage(name: string, request: ImageRequest): Promise<KeptImage> {
    const { cluster } = await this.#open();
    const pod = await this.#find(cluster, name, request.signal);
    const { keepVolume } = await import('./volume-snapshots.ts');
    return await keepVolume(cluster, pod, () => this.connect(name, request), request);
  }

  async removeImage(id: string, call: BackendCall): Promise<void> {
    const { cluster } = await this.#open();
    await (await import('./volume-snapshots.ts')).removeSnapshot(cluster, id, call);
  }

  async reap(call: BackendCall): Promise<string[]> {
    const { cluster } = await this.#open();
    const { reap } = await import('./reap.ts');
    return await reap(cluster, { owner: this.#settings.user, signal: call.signal });
  }

  async explain(name: string, error: GomoteError): Promise<GomoteError> {
    if (!isConnectionError(error) && error.code !== 'ERR_CERTIFICATE') return error;
    this.#connections.forget(name);
    const { cluster } = await this.#open();
    const { podOutcomeSoon } = await import('./post-mortem.ts');
    return lossError(name, await podOutcomeSoon(cluster, name), error) ?? error;
  }

  async #diagnoseLoss({ name, uid }: PodConnection): Promise<GomoteError | undefined> {
    const { cluster } = await this.#open();
    const { podOutcome } = await import('./post-mortem.ts');
    return lossError(name, await podOutcome(cluster, name, uid));
  }
}
