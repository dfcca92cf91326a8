// Buildlets in containers of Docker or Podman. All that is known of one lies in its container's labels.
import * as v from 'valibot';
import type { BuilderType } from '../../builders.ts';
import { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { nextName, usedNamesOf } from '../../files/used-names.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type {
  Backend,
  BackendCall,
  Cleanup,
  CreateCall,
  Diagnosis,
  Instance,
  RequestLog,
  Surroundings,
} from '../backend.ts';
import { deadBuildlet, othersBuildlet, unknownBuildlet } from '../buildlet-errors.ts';
import type { DockerConfig } from './config.ts';
import {
  dockerMachineOf,
  instanceOf,
  type ListedContainer,
  labels,
  listedContainer,
  nameOf,
} from './container.ts';
import { Engine } from './engine.ts';
import { ExecStream } from './exec-stream.ts';
import { findEngine } from './location.ts';
import { dialProgram } from './paths.ts';
import { isStatus, refusalOf } from './refusal.ts';

export interface DockerSettings extends DockerConfig, Surroundings {}

/** How long a buildlet may take to say when it expires, in ms. */
const probeTimeoutMs = 3_000;

/** How many buildlets are asked at once when they are listed. */
const probesAtOnce = 8;

export class DockerBackend implements Backend, Cleanup, Diagnosis {
  readonly name: string;
  readonly #settings: DockerSettings;
  readonly #onRequest: RequestLog;
  readonly #heldNames = new Set<string>();
  readonly #fillings = new Map<string, Promise<void>>();
  #engine: Engine | undefined;

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
    const { environment, defaults, payloads, idleTimeoutMs, maxLifetimeMs } = this.#settings;
    const machine = dockerMachineOf(call.host, defaults);
    const engine = this.#open();
    const [{ ensureImage }, { launchContainer }, { payloadSource }] = await Promise.all([
      import('./pull.ts'),
      import('./launch.ts'),
      import('./payload-source.ts'),
    ]);
    const image = await ensureImage(engine, machine, { ...call, environment });
    const payload = payloadSource(image.architecture, machine.image, payloads);
    const user = (machine.user ?? image.user).split(':')[0] ?? '';
    const plan = {
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

  /** One filling for all that wait for it; it ends with the first of them. */
  async #fill(
    {
      volume,
      architecture,
      directory,
    }: { volume: string; architecture: string; directory: string | undefined },
    image: string,
    { signal, onProgress }: CreateCall,
  ): Promise<void> {
    onProgress?.('copying the buildlet to the engine');
    const { fillPayload } = await import('./payload-volume.ts');
    for (;;) {
      const running = this.#fillings.get(volume);
      if (running !== undefined) {
        if (
          await running.then(
            () => true,
            () => false,
          )
        )
          return;
        signal.throwIfAborted();
        continue;
      }
      const filling = fillPayload(this.#open(), {
        ...{ volume, architecture, directory, image, signal },
      });
      this.#fillings.set(volume, filling);
      return await filling.finally(() => this.#fillings.delete(volume));
    }
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
    const label = [
      `${labels.role}=buildlet`,
      ...(user === undefined ? [] : [`${labels.owner}=${user}`]),
    ];
    const reply = await this.#open().json({
      method: 'GET',
      path: '/containers/json',
      query: { all: '1', filters: JSON.stringify({ label }) },
      signal,
    });
    return v.parse(v.array(listedContainer), reply);
  }

  /** Only the buildlet knows when it was used last. */
  async #inspect(container: ListedContainer, signal: AbortSignal): Promise<Instance> {
    const dead = uselessness(container);
    const instance = instanceOf(nameOf(container), container.Labels ?? {}, dead);
    if (dead !== undefined) return instance;
    const client = this.#client(instance.name, container.Id, container.Labels ?? {});
    try {
      const late = timeoutSignal(probeTimeoutMs);
      const { expires } = await client.probe({ signal: anySignal(signal, late) });
      return { ...instance, expires };
    } catch {
      signal.throwIfAborted();
      return { ...instance, expires: undefined, dead: 'does not answer' };
    } finally {
      await client.disconnect();
    }
  }

  async connect(name: string, call?: BackendCall): Promise<BuildletClient> {
    const { id, own } = await this.#find(name, call?.signal);
    return this.#client(name, id, own);
  }

  async #find(
    name: string,
    signal: AbortSignal | undefined,
  ): Promise<{ id: string; own: Readonly<Record<string, string>> }> {
    const { user } = this.#settings;
    const engine = this.#open();
    const found = buildletName.test(name) ? await inspect(engine, name, signal) : undefined;
    const own = found?.Config.Labels;
    if (found === undefined || own?.[labels.role] !== 'buildlet') throw unknown(name, engine);
    const owner = own[labels.owner] ?? '';
    if (user !== undefined && owner !== user) throw othersBuildlet(name, owner);
    return { id: found.Id, own };
  }

  #client(name: string, id: string, own: Readonly<Record<string, string>>): BuildletClient {
    const socket = own[labels.socket] ?? '';
    const dial = () => dialBuildlet(this.#open(), id, socket);
    return new BuildletClient({ kind: 'dial', label: name, dial }, undefined, {
      name,
      description: '(container)',
      onRequest: this.#onRequest,
    });
  }

  async destroy(name: string, { signal }: BackendCall): Promise<void> {
    const engine = this.#open();
    const { id } = await this.#find(name, signal);
    const { removeContainer } = await import('./launch.ts');
    await removeContainer(engine, id);
  }

  async reap(call: BackendCall): Promise<string[]> {
    const { reap } = await import('./reap.ts');
    return await reap(this.#open(), await this.#listed(call.signal), call);
  }

  async explain(name: string, error: GomoteError): Promise<GomoteError> {
    if (!['ERR_CONNECT', 'ERR_LOST', 'ERR_BROKEN'].includes(error.code)) return error;
    const engine = this.#open();
    const { howItEnded } = await import('./post-mortem.ts');
    const end = await howItEnded(engine, name).catch(() => undefined);
    if (end === undefined) return error;
    if (end === 'in order') return unknown(name, engine, error);
    return deadBuildlet(name, `the buildlet "${name}" has died: ${end}`, error);
  }
}

const inspected = v.object({
  Id: v.string(),
  Config: v.object({ Labels: v.nullish(v.record(v.string(), v.string())) }),
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

const execCreated = v.object({ Id: v.string() });

/** A connection to the buildlet's socket: the input and output of a process in its container. */
async function dialBuildlet(engine: Engine, id: string, socket: string): Promise<ExecStream> {
  const json = {
    ...{ AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: false },
    Cmd: [dialProgram, socket],
  };
  try {
    const reply = await engine.json({ method: 'POST', path: `/containers/${id}/exec`, json });
    const { Id } = v.parse(execCreated, reply);
    const hijacked = await engine.hijack({
      path: `/exec/${Id}/start`,
      json: { Detach: false, Tty: false },
    });
    return new ExecStream(hijacked);
  } catch (error) {
    throw refusalOf('cannot enter the container', engine.url, error);
  }
}

/** Why a container is of no use; undefined: it is. */
function uselessness({ State, Status }: ListedContainer): string | undefined {
  if (State === 'running') return undefined;
  if (State === 'created') return 'starting';
  return State === 'exited' || State === 'dead' ? `ended: ${Status}` : State;
}

const unknown = (name: string, { url }: Engine, cause?: unknown): GomoteError =>
  unknownBuildlet(`no buildlet "${name}" on the engine ${url}`, cause);
