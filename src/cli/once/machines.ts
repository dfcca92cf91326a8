// The machines of one `gomote once`: made, held while this process lives, and ended.
import type { AnyBackend, Backend, CreateCall, Instance } from '../../backends/backend.ts';
import type { BuilderType } from '../../builders.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import type { BuildletHold } from '../../client/hold.ts';
import { messageOf } from '../../errors.ts';
import { createSeveral, hostOf } from '../../gomote/create.ts';
import { destroyCreated, withoutCreated } from '../../gomote/create-all.ts';
import { withType } from '../../gomote/find-type.ts';
import { type HoldTimes, holdTimesOf } from '../../gomote/hold-times.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
import type { Context } from '../context.ts';
import { checkPlace, placeOf } from '../project/local-guard.ts';
import { setupOutput } from '../setup-output.ts';
import type { OnceSpec } from './spec.ts';

const releaseMs = 120_000;

export interface Machine {
  /** The name that other commands know it by. */
  readonly name: string;
  readonly type: string | undefined;
  /** Which of its type it is, from 0. */
  readonly index: number;
  readonly createMs: number;
  /** Destroys it and everything that belongs to it. */
  destroy(): Promise<void>;
  /** Keeps it alive after this process has ended. */
  release(): Promise<void>;
}

/** The buildlet that was named: it is in use and is not destroyed. */
export const machineThere = (name: string): Machine => ({
  ...{ name, type: undefined, index: 0, createMs: 0 },
  destroy: async () => undefined,
  release: async () => undefined,
});

export async function makeMachines(spec: OnceSpec, context: Context): Promise<Machine[]> {
  const startMs = performance.now();
  const parts = spec.types.map((type) => makeOfType(type, spec, context, startMs));
  const results = await Promise.allSettled(parts);
  const made = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
  const failure = results.find((result) => result.status === 'rejected');
  if (failure === undefined) return made;
  await destroyUnused(made, context);
  throw failure.reason;
}

/** Destroys those that no part has; with a remark for each that is left. */
export async function destroyUnused(machines: readonly Machine[], context: Context): Promise<void> {
  const results = await Promise.allSettled(machines.map((machine) => machine.destroy()));
  for (const [i, result] of results.entries()) {
    if (result.status === 'fulfilled') continue;
    const { name = '' } = machines[i] ?? {};
    context.messages.remark(`${name} was not destroyed: ${messageOf(result.reason)}`);
  }
}

async function makeOfType(
  given: string | undefined,
  spec: OnceSpec,
  context: Context,
  startMs: number,
): Promise<Machine[]> {
  const { guard } = spec;
  const type = given ?? (await usualType(context));
  const { signal, backends, messages } = context;
  return await withType(type, backends, signal, async (wanted) => {
    const { backend, builder } = wanted;
    const where = await placeOf(backend, backends);
    if (guard !== undefined) checkPlace(guard, where);
    const times = holdTimesOf(where.config);
    // A local connection is lost only when its process ends: it is not made again.
    const reconnectMs = where.config?.kind === 'local' ? 0 : (spec.run.reconnect ?? 0);
    const graceMs = Math.max(times.graceMs, reconnectMs);
    const holder = new Holder(backend, { ...times, graceMs }, spec, context);
    await backend.answerPrompts?.({ signal, onHost: hostOf(spec.machine, backend) });
    const output = setupOutput(context.terminal, spec.count * spec.types.length > 1);
    const instances = await messages
      .during(`creating ${builder.name}`, (onProgress) =>
        createSeveral(backends, { ...wanted, backend: holder.creating() }, spec.count, {
          ...{ ...spec.machine, from: spec.from, holdMs: times.firstMs, signal, onProgress },
          onWarning: messages.remark,
          setupOutput: output.of(onProgress),
        }),
      )
      .finally(() => output.end());
    try {
      return await Promise.all(
        instances.map(async (instance, index) => ({
          name: await context.backends.fullName(backend.name, instance.name),
          ...{ type: builder.name, index, createMs: performance.now() - startMs },
          destroy: () => holder.destroy(instance.name),
          release: () => holder.release(instance.name),
        })),
      );
    } catch (error) {
      throw await withoutCreated(backend, instances, error);
    }
  });
}

/** The `local` backend has one type that needs no configuration. */
async function usualType(context: Context): Promise<string | undefined> {
  const config = await context.backends.configOf(await context.backends.defaultName());
  return config?.kind === 'local' ? config.kind : undefined;
}

interface Held {
  readonly client: BuildletClient;
  readonly hold: BuildletHold | undefined;
}

/** Holds the buildlets of one backend from the moment they exist. */
class Holder {
  readonly #backend: AnyBackend;
  readonly #times: HoldTimes;
  readonly #spec: OnceSpec;
  readonly #context: Context;
  readonly #held = new Map<string, Held>();

  constructor(backend: AnyBackend, times: HoldTimes, spec: OnceSpec, context: Context) {
    this.#backend = backend;
    this.#times = times;
    this.#spec = spec;
    this.#context = context;
  }

  /** The backend, whose new buildlets are held. */
  creating(): AnyBackend {
    const { name, answerPrompts } = this.#backend;
    const part: Backend & Pick<AnyBackend, 'answerPrompts'> = {
      name,
      create: (builder, call) => this.#create(builder, call),
      list: (call) => this.#backend.list(call),
      connect: (instance, call) => this.#backend.connect(instance, call),
      destroy: (instance) => this.destroy(instance),
      ...(answerPrompts && { answerPrompts: (call) => answerPrompts.call(this.#backend, call) }),
    };
    return part;
  }

  async #create(builder: BuilderType, call: CreateCall): Promise<Instance> {
    // A buildlet that is kept in any case is left to its own timers.
    if (this.#spec.keep === 'always') {
      return await this.#backend.create(builder, { ...call, holdMs: undefined });
    }
    const instance = await this.#backend.create(builder, call);
    try {
      await this.#hold(instance.name, call.signal);
      return instance;
    } catch (error) {
      await this.#forget(instance.name);
      throw await withoutCreated(this.#backend, [instance], error);
    }
  }

  async #hold(name: string, signal: AbortSignal): Promise<void> {
    const client = await this.#backend.connect(name, { signal });
    // From now on it is disconnected with what is held.
    this.#held.set(name, { client, hold: undefined });
    const hold = await client.hold({ graceMs: this.#times.graceMs, signal });
    this.#held.set(name, { client, hold });
    if (hold !== undefined) return;
    this.#context.messages.detail(
      `gomote: ${name} does not notice when gomote is killed: it ends by its own timers then`,
    );
  }

  async release(name: string): Promise<void> {
    const held = this.#held.get(name);
    await held?.hold?.release({ signal: timeoutSignal(releaseMs) });
    await this.#forget(name);
  }

  async destroy(name: string): Promise<void> {
    // Else it would try to hold what is being removed.
    this.#held.get(name)?.hold?.drop();
    try {
      await destroyCreated(this.#backend, name);
    } finally {
      await this.#forget(name);
    }
  }

  async #forget(name: string): Promise<void> {
    const held = this.#held.get(name);
    this.#held.delete(name);
    held?.hold?.drop();
    await held?.client.disconnect();
  }
}
