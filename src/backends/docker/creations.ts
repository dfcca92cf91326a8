// The making of buildlets: their names, and what they share while they are made.
import type { BuilderType } from '../../builders.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { nextName, usedNamesOf } from '../../files/used-names.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import type { CreateCall, Instance, Surroundings } from '../backend.ts';
import type { DockerConfig } from './config.ts';
import { dockerMachineOf } from './container.ts';
import type { Engine } from './engine.ts';
import { launchContainer } from './launch.ts';
import { type PayloadSource, payloadSource } from './payload-source.ts';
import { ensureImage } from './pull.ts';

export class Creations {
  readonly #engine: Engine;
  readonly #settings: DockerConfig & Surroundings;
  readonly #heldNames = new Set<string>();
  readonly #fillings = new Map<string, Promise<void>>();

  constructor(engine: Engine, settings: DockerConfig & Surroundings) {
    this.#engine = engine;
    this.#settings = settings;
  }

  async create(builder: BuilderType, call: CreateCall): Promise<Instance> {
    const { environment, defaults, payloads, idleTimeoutMs, maxLifetimeMs } = this.#settings;
    const machine = dockerMachineOf(call.host, defaults);
    const engine = this.#engine;
    const image = await ensureImage(engine, machine, { ...call, environment });
    const payload = payloadSource(image.architecture, machine.image, payloads);
    const user = (machine.user ?? image.user).split(':')[0] ?? '';
    const plan = {
      imageEnv: image.env,
      isRoot: ['', '0', 'root'].includes(user),
      ...{ owner: call.user, builderType: builder.name, hostType: call.host.name, machine },
      ...{ payloadVolume: payload.volume, idleTimeoutMs, maxLifetimeMs },
    };
    const fill = () => this.#fill(payload, machine.image, call);
    const name = await this.#named(`${call.user}-${builder.name}`, async (name) => {
      await launchContainer(engine, {
        ...{ ...call, environment, payload, fill, plan: { ...plan, name } },
      });
    });
    const nowMs = Date.now();
    const endMs = nowMs + Math.min(idleTimeoutMs, maxLifetimeMs);
    return {
      ...{ name, owner: call.user, builderType: builder.name, hostType: call.host.name },
      created: new Date(nowMs),
      expires: endMs === Infinity ? undefined : new Date(endMs),
      dead: undefined,
    };
  }

  /** Calls `make` with names `<stem>-<n>` until one is not taken, and gives that. */
  async #named(stem: string, make: (name: string) => Promise<void>): Promise<string> {
    if (!buildletName.test(`${stem}-0`) || !/^[A-Za-z0-9]/.test(stem)) {
      throw new GomoteError('ERR_USAGE', `a container cannot be called "${stem}-0"`, {
        hint: 'user and type have letters, digits, ".", "_" and "-"',
      });
    }
    const used = usedNamesOf(this.#settings.environment);
    const taken = new Set<string>();
    for (;;) {
      const name = nextName(stem, used, (one) => taken.has(one) || this.#heldNames.has(one));
      this.#heldNames.add(name);
      try {
        await make(name);
        return name;
      } catch (error) {
        if (!isGomoteError(error, 'ERR_NAME_TAKEN')) throw error;
        taken.add(name);
      } finally {
        this.#heldNames.delete(name);
      }
    }
  }

  /** One filling for all that wait for it; when it fails or is cancelled, the next one tries. */
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
