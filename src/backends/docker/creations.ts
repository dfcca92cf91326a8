// Creates buildlets: their names, and what concurrent creates share.
import { hash } from 'node:crypto';
import type { BuilderType, DockerMachine } from '../../builders.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import type { BackendContext, CreateCall, Instance } from '../backend.ts';
import { storeBytesOf } from '../machine-store.ts';
import { withNewName } from '../new-name.ts';
import { cacheVolume, checkUsers, makeVolumes, usageOf } from './caches.ts';
import type { DockerConfig } from './config.ts';
import { dockerMachineOf, labels } from './container.ts';
import type { BuildletPlace } from './dial.ts';
import type { Engine } from './engine.ts';
import { launchContainer } from './launch.ts';
import { checkMountPoints } from './mount-points.ts';
import { type PayloadSource, payloadSource } from './payload-source.ts';
import { ensureImage } from './pull.ts';

export class Creations {
  readonly #engine: Engine;
  readonly #settings: DockerConfig & BackendContext;
  readonly #onPlace: (name: string, place: BuildletPlace) => void;
  readonly #fillings = new Map<string, Promise<void>>();

  /** @param onPlace Called with the name of each new buildlet, and where it is. */
  constructor(
    engine: Engine,
    settings: DockerConfig & BackendContext,
    onPlace: (name: string, place: BuildletPlace) => void,
  ) {
    this.#engine = engine;
    this.#settings = settings;
    this.#onPlace = onPlace;
  }

  async create(builder: BuilderType, call: CreateCall): Promise<Instance> {
    const { environment, defaults, payloads, idleTimeoutMs, maxLifetimeMs } = this.#settings;
    const described = dockerMachineOf(call.host, defaults);
    const machine: DockerMachine =
      call.image === undefined ? described : { ...described, image: call.image, pull: 'never' };
    const engine = this.#engine;
    const image = await ensureImage(engine, machine, { ...call, environment }).catch(
      (error: unknown) => {
        if (call.image === undefined || !isGomoteError(error, 'ERR_PLATFORM')) throw error;
        throw new GomoteError('ERR_PLATFORM', 'the image of the snapshot is no longer there', {
          hint: 'remove the snapshot, and make another',
          cause: error,
        });
      },
    );
    const payload = payloadSource(image.architecture, machine.image, payloads);
    const user = (machine.user ?? image.user).split(':')[0] ?? '';
    const isRoot = ['', '0', 'root'].includes(user);
    const volumes = (call.host.caches ?? []).map((cache) =>
      cacheVolume(cache, call.cacheOwner ?? call.user),
    );
    const limitBytes = storeBytesOf(this.#settings, call);
    const plan = {
      store:
        limitBytes === 0
          ? undefined
          : { volume: storeVolume(call.user, isRoot ? 'root' : user), limitBytes },
      caches: volumes.map((cache) => ({ ...cache, usage: usageOf(cache) })),
      imageEnv: image.env,
      isRoot,
      ...{ owner: call.user, builderType: builder.name, hostType: call.host.name, machine },
      userLabels: call.labels,
      ...{ payloadVolume: payload.volume, idleTimeoutMs, maxLifetimeMs, holdMs: call.holdMs },
    };
    await Promise.all([
      makeVolumes(engine, volumes, call),
      plan.store && makeStoreVolume(engine, plan.store.volume, call),
    ]);
    const fill = () => this.#fill(payload, machine.image, call);
    const name = await withNewName(nameStem(call.user, builder.name), async (name) => {
      const place = await launchContainer(engine, {
        ...{ ...call, environment, payload, fill, plan: { ...plan, name } },
        check: async (id) => {
          await checkUsers(engine, id, volumes, call);
          if (call.image !== undefined) await checkMountPoints(engine, id, call);
        },
      });
      this.#onPlace(name, place);
      return name;
    });
    const nowMs = Date.now();
    const endMs = nowMs + Math.min(idleTimeoutMs, maxLifetimeMs);
    return {
      ...{ name, owner: call.user, builderType: builder.name, hostType: call.host.name },
      created: new Date(nowMs),
      expires: endMs === Infinity ? undefined : new Date(endMs),
      dead: undefined,
      labels: call.labels,
    };
  }

  /** Fills the volume once for all that wait for it. When it fails or is cancelled, the next one tries. */
  async #fill(
    { volume, architecture, directory }: PayloadSource,
    image: string,
    { signal, onProgress }: CreateCall,
  ): Promise<void> {
    onProgress?.('copying the buildlet to the engine');
    const { fillPayload } = await import('./payload-volume.ts');
    for (;;) {
      const running = this.#fillings.get(volume);
      if (running === undefined) break;
      const isFilled = await running.then(
        () => true,
        () => false,
      );
      if (isFilled) return;
      signal.throwIfAborted();
    }
    const filling = fillPayload(this.#engine, {
      ...{ volume, architecture, directory, image, signal },
    }).finally(() => this.#fillings.delete(volume));
    this.#fillings.set(volume, filling);
    await filling;
  }
}

/** A volume for each owner; what runs as another user of the images could not write to the same files. */
export function storeVolume(owner: string, user: string): string {
  const digest = hash('sha256', JSON.stringify([owner, user]), 'hex');
  return `gomote-store-${digest.slice(0, 24)}`;
}

/** Makes the volume if it is missing: Podman gives no labels to volumes that it makes with a container. */
async function makeStoreVolume(engine: Engine, Name: string, { user, signal }: CreateCall) {
  const Labels = { [labels.role]: 'store', [labels.owner]: user };
  await engine.json({ method: 'POST', path: '/volumes/create', json: { Name, Labels }, signal });
}

/** The prefix of names, in the form that engines allow. */
function nameStem(user: string, builderType: string): string {
  const stem = `${user}-${builderType}`;
  if (/^[A-Za-z0-9]/.test(stem) && buildletName.test(`${stem}-00000`)) return stem;
  throw new GomoteError('ERR_USAGE', `a container's name cannot begin with "${stem}"`, {
    hint: 'user and type have letters, digits, ".", "_" and "-"',
  });
}
