// Buildlets in containers of Docker or Podman. Their state is in the labels of the containers.
import type { Duplex } from 'node:stream';
import * as v from 'valibot';
import type { BuilderType } from '../../builders.ts';
import { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, isConnectionError, isStatus } from '../../errors.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
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
  KeptCache,
  KeptImage,
  RequestLog,
} from '../backend.ts';
import { othersBuildlet, unknownBuildlet } from '../buildlet-errors.ts';
import type { DockerConfig } from './config.ts';
import {
  cacheLabel,
  instanceOf,
  type ListedContainer,
  labels,
  listContainers,
  nameOf,
} from './container.ts';
import type { Creations } from './creations.ts';
import { type BuildletPlace, dialBuildlet, mount, volumeOf } from './dial.ts';
import { Engine } from './engine.ts';
import { findEngine } from './location.ts';

export interface DockerSettings extends DockerConfig, BackendContext {}

/** The time limit for asking a buildlet when it expires, in ms. */
const probeTimeoutMs = 3_000;

/** How many buildlets are asked at once when they are listed. */
const probesAtOnce = 8;

export class DockerBackend implements Backend, CacheKeeper, Cleanup, Diagnosis, ImageKeeper {
  readonly name: string;
  readonly #settings: DockerSettings;
  readonly #onRequest: RequestLog;
  #creations: Creations | undefined;
  #engine: Engine | undefined;
  /** Where the buildlets are that were created here, so that the engine need not be asked again. */
  readonly #places = new Map<string, BuildletPlace>();

  constructor(settings: DockerSettings, onRequest: RequestLog) {
    this.name = settings.name;
    this.#settings = settings;
    this.#onRequest = onRequest;
  }

  #open(): Engine {
    this.#engine ??= new Engine(findEngine(this.#settings), this.#onRequest);
    return this.#engine;
  }

  async create(builder: BuilderType, call: CreateCall): Promise<Instance> {
    const { Creations } = await import('./creations.ts');
    this.#creations ??= new Creations(this.#open(), this.#settings, (name, place) => {
      this.#places.set(name, place);
    });
    return await this.#creations.create(builder, call);
  }

  async list({ signal }: BackendCall): Promise<Instance[]> {
    const found = await this.#listed(signal);
    const queue = [...found];
    const instances: Instance[] = [];
    const work = async () => {
      for (let one = queue.shift(); one !== undefined; one = queue.shift()) {
        instances.push(await this.#inspect(one, signal));
      }
    };
    await Promise.all(Array.from({ length: probesAtOnce }, work));
    return instances.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  }

  async #listed(signal: AbortSignal): Promise<ListedContainer[]> {
    const { user } = this.#settings;
    const owner = user === undefined ? [] : [`${labels.owner}=${user}`];
    return await listContainers(this.#open(), [`${labels.role}=buildlet`, ...owner], signal);
  }

  /** Only the buildlet knows when it was used last. */
  async #inspect(container: ListedContainer, signal: AbortSignal): Promise<Instance> {
    const { Id: id, State, Status } = container;
    const own = container.Labels ?? {};
    const instance = instanceOf(nameOf(container), own);
    if (State === 'exited' || State === 'dead') return { ...instance, dead: `ended: ${Status}` };
    if (State !== 'running') {
      return { ...instance, trouble: State === 'created' ? 'starting' : State };
    }
    const client = this.#client(instance.name, {
      ...{ id, socket: own[labels.socket] ?? '', volume: volumeOf(container.Mounts) },
    });
    try {
      const late = timeoutSignal(probeTimeoutMs);
      const { expires } = await client.probe({ signal: anySignal(signal, late) });
      return { ...instance, expires };
    } catch {
      signal.throwIfAborted();
      return { ...instance, trouble: 'does not answer' };
    } finally {
      await client.disconnect();
    }
  }

  async connect(name: string, call?: BackendCall): Promise<BuildletClient> {
    const place = this.#places.get(name) ?? (await this.#find(name, call?.signal)).place;
    // Entering a container takes as long as the other work before the first request.
    return this.#client(name, place, this.#dial(place));
  }

  async #find(
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<{ place: BuildletPlace; labels: Readonly<Record<string, string>> }> {
    const { user } = this.#settings;
    const engine = this.#open();
    const found = buildletName.test(name) ? await inspect(engine, name, signal) : undefined;
    const own = found?.Config.Labels;
    if (found === undefined || own?.[labels.role] !== 'buildlet') {
      throw (
        (found === undefined ? await this.#lossError(name) : undefined) ?? unknown(name, engine)
      );
    }
    const owner = own[labels.owner] ?? '';
    if (user !== undefined && owner !== user) throw othersBuildlet(name, owner);
    const { Id: id, State, Mounts } = found;
    // Of one that is paused only the engine says so.
    const volume = State?.Status === 'running' ? volumeOf(Mounts) : undefined;
    return { place: { id, socket: own[labels.socket] ?? '', volume }, labels: own };
  }

  /** @param early A connection that is already being opened, for the first request. */
  #client(name: string, place: BuildletPlace, early?: Promise<Duplex>): BuildletClient {
    const spare = early === undefined ? [] : [early];
    // The failure is reported where it is awaited.
    early?.catch(() => undefined);
    return new BuildletClient(
      {
        kind: 'dial',
        label: buildletUrl(this.#open(), place.id),
        dial: () => spare.pop() ?? this.#dial(place),
      },
      undefined,
      {
        ...{ name, description: '(container)', onRequest: this.#onRequest },
        diagnoseLoss: () => this.#lossError(name),
        onDisconnect: async () => {
          for (const unused of spare.splice(0)) {
            unused.then(
              (stream) => stream.destroy(),
              () => undefined,
            );
          }
        },
      },
    );
  }

  async #dial(place: BuildletPlace): Promise<Duplex> {
    return await dialBuildlet(this.#open(), place);
  }

  async destroy(name: string, { signal }: BackendCall): Promise<void> {
    const engine = this.#open();
    this.#places.delete(name);
    const { place, labels: own } = await this.#find(name, signal);
    const { removeContainer } = await import('./launch.ts');
    await removeContainer(engine, place.id);
    if (!Object.keys(own).some((key) => key.startsWith(cacheLabel))) return;
    const { trimVolumes } = await import('./caches.ts');
    await trimVolumes(engine, own, { signal });
  }

  async caches(call: BackendCall): Promise<KeptCache[]> {
    const { listCaches } = await import('./caches.ts');
    return await listCaches(this.#open(), this.#settings.user, call);
  }

  async purgeCache(name: string, call: BackendCall): Promise<boolean> {
    const { purgeCache } = await import('./caches.ts');
    return await purgeCache(this.#open(), this.#settings.user, name, call);
  }

  async keepImage(name: string, request: ImageRequest): Promise<KeptImage> {
    const { place, labels: own } = await this.#find(name, request.signal);
    const { keepImage } = await import('./images.ts');
    return await keepImage(this.#open(), place.id, { ...request, owner: own[labels.owner] });
  }

  async removeImage(id: string, call: BackendCall): Promise<void> {
    const { removeImage } = await import('./images.ts');
    await removeImage(this.#open(), id, call);
  }

  async reap(call: BackendCall): Promise<string[]> {
    const { reap } = await import('./reap.ts');
    return await reap(this.#open(), await this.#listed(call.signal), call);
  }

  async explain(name: string, error: GomoteError): Promise<GomoteError> {
    if (!isConnectionError(error)) return error;
    return (await this.#lossError(name, error)) ?? error;
  }

  /** Why the buildlet will never answer again; undefined when that is not known. */
  async #lossError(name: string, cause?: GomoteError): Promise<GomoteError | undefined> {
    const engine = this.#open();
    const { causeOfEnd } = await import('./post-mortem.ts');
    const end = await causeOfEnd(engine, name).catch(() => undefined);
    if (end === undefined) return undefined;
    this.#places.delete(name);
    if (end === 'in order') return unknown(name, engine, cause);
    return new GomoteError('ERR_BUILDLET_DIED', `the buildlet "${name}" has died: ${end}`, {
      hint: 'its container is removed; make another with gomote create',
      cause,
    });
  }
}

const inspected = v.object({
  Id: v.string(),
  Config: v.object({ Labels: v.nullish(v.record(v.string(), v.string())) }),
  State: v.optional(v.object({ Status: v.optional(v.string()) })),
  Mounts: v.nullish(v.array(mount)),
});

async function inspect(engine: Engine, name: string, signal: AbortSignal | undefined) {
  try {
    const path = `/containers/${encodeURIComponent(name)}/json`;
    return v.parse(inspected, await engine.json({ method: 'GET', path, signal }));
  } catch (error) {
    if (isStatus(error, 404)) return undefined;
    throw error;
  }
}

/**
 * The buildlet's URL. Transfers to one on this machine are not compressed, and pushes are recorded
 * under it: container ids are unique.
 */
const buildletUrl = ({ location }: Engine, id: string): string => {
  if (location.kind === 'unix') return `http+unix://${location.path}/${id}`;
  return location.kind === 'tcp' ? `${location.origin}/${id}` : `${location.url}/${id}`;
};

const unknown = (name: string, { url }: Engine, cause?: unknown): GomoteError =>
  unknownBuildlet(`no buildlet "${name}" on the engine ${url}`, cause);
