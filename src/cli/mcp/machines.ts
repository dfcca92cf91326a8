// The machines of one `gomote mcp`: created within its limits, held while the process runs, and destroyed at its end.
import { formatDuration } from '../../duration.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import type { Buildlet } from '../../gomote/buildlet.ts';
import { createSeveral, type MachineOptions } from '../../gomote/create.ts';
import { destroyCreated } from '../../gomote/create-all.ts';
import { withType } from '../../gomote/find-type.ts';
import type { Forward } from '../../gomote/forward.ts';
import { holdTimesOf } from '../../gomote/hold-times.ts';
import { plural } from '../../plural.ts';
import { anySignal, type LongTimer, longTimer } from '../../timeout-signal.ts';
import type { Context } from '../context.ts';

export interface Call {
  /** Aborts when the agent cancels the call, and when this process is asked to end. */
  readonly signal: AbortSignal;
  readonly onProgress: (step: string) => void;
}

export interface Limits {
  readonly machines: number;
  /** The maximum lifetime of a machine, in ms. */
  readonly lifetimeMs: number;
  /** The allowed types. Empty: all types of the configuration except those that run commands on this machine. */
  readonly types: readonly string[];
  /** Existing buildlets that the agent may use. They are not destroyed. */
  readonly on: readonly string[];
  readonly machine: MachineOptions;
}

export interface Machine {
  readonly buildlet: Buildlet;
  /** Of a machine that was created here: its type, and when it ends. */
  readonly made: { readonly type: string; readonly endsAt: Date } | undefined;
  readonly forwards: Forward[];
}

interface Entry extends Machine {
  /** Destroys the machine if it was created here, and closes its connections. */
  readonly end: () => Promise<void>;
}

export class Machines {
  readonly limits: Limits;
  readonly #context: Context;
  readonly #entries = new Map<string, Entry>();
  readonly #gone = new Map<string, string>();
  readonly #making = new Set<Promise<unknown>>();
  readonly #ending = new AbortController();

  constructor(limits: Limits, context: Context) {
    this.limits = limits;
    this.#context = context;
  }

  /** Creates a machine. Throws ERR_QUOTA at the limit, ERR_USAGE for a type that is not allowed. */
  async create(type: string | undefined, call: Call): Promise<Machine> {
    const count = this.#made().length + this.#making.size;
    if (count >= this.limits.machines) {
      throw new GomoteError('ERR_QUOTA', `no more than ${plural(count, 'machine')} at once`, {
        hint: `destroy one, such as ${this.#made()[0]?.buildlet.name ?? 'one that is being made'}`,
      });
    }
    const making = this.#create(type ?? this.limits.types[0], {
      ...call,
      signal: anySignal(call.signal, this.#ending.signal),
    });
    this.#making.add(making);
    try {
      return await making;
    } finally {
      this.#making.delete(making);
    }
  }

  async #create(type: string | undefined, { signal, onProgress }: Call): Promise<Machine> {
    const { backends, gomote } = this.#context;
    this.#checkType(type);
    return await withType(type, backends, signal, async (wanted) => {
      const { backend, builder } = wanted;
      const config = await backends.configOf(backend.name);
      if (config?.kind === 'local') this.#checkLocal(builder.name);
      const times = holdTimesOf(config);
      const [instance] = await createSeveral(backends, wanted, 1, {
        ...{ ...this.limits.machine, signal, onProgress, holdMs: times.firstMs },
      });
      if (instance === undefined) throw new GomoteError('ERR_MACHINE', 'nothing was created');
      try {
        const name = await backends.fullName(backend.name, instance.name);
        const buildlet = await gomote.get(name, { signal });
        const hold = await buildlet.client.hold({ graceMs: times.graceMs, signal });
        if (hold === undefined) {
          const what = `${name} does not notice when gomote is killed: it ends by its own timers then`;
          this.#context.messages.detail(`gomote: ${what}`);
        }
        return this.#add(buildlet, builder.name, async () => {
          // Else it would try to hold what is being removed.
          hold?.drop();
          await destroyCreated(backend, instance.name);
          await buildlet.disconnect();
        });
      } catch (error) {
        await destroyCreated(backend, instance.name);
        throw error;
      }
    });
  }

  #add(buildlet: Buildlet, type: string, end: () => Promise<void>): Machine {
    const { name } = buildlet;
    const { lifetimeMs } = this.limits;
    const forwards: Forward[] = [];
    const timer: LongTimer = longTimer(() => {
      const why = `it ended after ${formatDuration(lifetimeMs)}, which is its longest life`;
      this.destroy(name, why).catch(() => undefined);
    }, lifetimeMs);
    const entry: Entry = {
      ...{ buildlet, forwards, made: { type, endsAt: new Date(Date.now() + lifetimeMs) } },
      end: async () => {
        timer.clear();
        await Promise.all(forwards.map((forward) => forward.close()));
        await end();
      },
    };
    this.#gone.delete(name);
    this.#entries.set(name, entry);
    return entry;
  }

  /** The machines that were created here or used before. */
  list(): Machine[] {
    return [...this.#entries.values()];
  }

  #made(): Machine[] {
    return this.list().filter(({ made }) => made !== undefined);
  }

  /** The allowed types, as far as they are known. */
  async types(signal: AbortSignal): Promise<readonly string[]> {
    const { types } = this.limits;
    if (types.length > 0) return types;
    const { backends } = this.#context;
    const catalogue = await backends.catalogueOf(await backends.open(), signal);
    return catalogue.builders.map(({ name }) => name);
  }

  /** Runs `work` on a machine: by name, or the only one. */
  async use<T>(name: string | undefined, work: (machine: Machine) => Promise<T>): Promise<T> {
    const machine = await this.#find(name);
    try {
      return await machine.buildlet.explained(() => work(machine));
    } catch (error) {
      const isGone =
        isGomoteError(error, 'ERR_UNKNOWN_BUILDLET') || isGomoteError(error, 'ERR_BUILDLET_DIED');
      if (isGone) await this.#end(machine.buildlet.name, error.message).catch(() => undefined);
      throw error;
    }
  }

  async #find(given: string | undefined): Promise<Machine> {
    const known = [...new Set([...this.#entries.keys(), ...this.limits.on])];
    const name = given ?? (known.length === 1 ? known[0] : undefined);
    if (name === undefined) {
      throw known.length === 0
        ? new GomoteError('ERR_USAGE', 'there is no machine', { hint: 'call create first' })
        : new GomoteError('ERR_USAGE', 'there are several machines', {
            hint: `say which in "machine": ${known.join(', ')}`,
          });
    }
    const found = this.#entries.get(name);
    if (found !== undefined) return found;
    if (!this.limits.on.includes(name)) throw this.#unknown(name, known);
    const buildlet = await this.#context.gomote.get(name);
    const end = () => buildlet.disconnect();
    const entry: Entry = { buildlet, forwards: [], made: undefined, end };
    this.#entries.set(name, entry);
    return entry;
  }

  #unknown(name: string, known: readonly string[]): GomoteError {
    const why = this.#gone.get(name);
    const message = why === undefined ? `there is no machine "${name}"` : `"${name}": ${why}`;
    const hint = known.length === 0 ? 'call create' : `there are: ${known.join(', ')}`;
    return new GomoteError('ERR_UNKNOWN_BUILDLET', message, { hint });
  }

  /** Destroys a machine that was created here. Throws ERR_NOT_OWNER for others. */
  async destroy(name: string, why = 'it was destroyed'): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry?.made !== undefined) return await this.#end(name, why);
    if (entry === undefined && !this.limits.on.includes(name)) {
      throw this.#unknown(name, [...this.#entries.keys()]);
    }
    throw new GomoteError('ERR_NOT_OWNER', `${name} was not made here, and stays`);
  }

  async #end(name: string, why: string): Promise<void> {
    const entry = this.#entries.get(name);
    this.#entries.delete(name);
    this.#gone.set(name, why);
    await entry?.end();
  }

  /** Destroys all machines that were created or are being created. Fails when one could not be destroyed. */
  async end(): Promise<void> {
    this.#ending.abort(new GomoteError('ERR_ABORTED', 'gomote mcp has ended'));
    await Promise.allSettled(this.#making);
    const ends = [...this.#entries.keys()].map((name) => this.#end(name, 'it was destroyed'));
    const results = await Promise.allSettled(ends);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  /** Types that are not in the configuration must be allowed by the user, not chosen by the agent. */
  #checkType(type: string | undefined): void {
    const { types } = this.limits;
    if (type === undefined || types.includes(type)) return;
    if (types.length === 0 && !type.includes(':')) return;
    throw new GomoteError('ERR_USAGE', `machines of type "${type}" may not be made`, {
      hint: types.length > 0 ? `allowed are: ${types.join(', ')}` : allowing(type),
    });
  }

  #checkLocal(type: string): void {
    if (this.limits.types.length > 0 || this.#context.backends.isGiven) return;
    const message = `machines of type "${type}" run commands on the user's own machine, which is not allowed`;
    throw new GomoteError('ERR_USAGE', message, { hint: allowing(type) });
  }
}

const allowing = (type: string): string =>
  `the user can allow it: gomote mcp --type ${type}, or types in [mcp] of config.toml`;
