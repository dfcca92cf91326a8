// Creates buildlets of a type, with the caller's options for the machine.
import type { AnyBackend, Instance } from '../backends/backend.ts';
import { type HostType, overridden } from '../builders.ts';
import type { CallOptions } from '../client/client-options.ts';
import { GomoteError } from '../errors.ts';
import { type Cache, cacheConflict, mergedCaches } from '../protocol/cache.ts';
import { areTooMany, type Labels, type WantedLabels, whyNoLabel } from '../protocol/labels.ts';
import type { Priority } from '../protocol/priority.ts';
import { inSpan } from '../tracing.ts';
import { checkRecord } from './arguments.ts';
import type { Backends } from './backends.ts';
import { createAll } from './create-all.ts';
import { type Wanted, withType } from './find-type.ts';
import type { SetupOptions } from './setup.ts';

/** The options of a new machine. Absent ones are taken from its host type. */
export interface MachineOptions {
  /** Whether commands get the complete environment in which the buildlet is started, not only the base variables. */
  inheritEnv?: boolean | undefined;
  /** The host of an ssh backend. Default: the least busy one. */
  host?: string | undefined;
  /** How many CPUs commands may use. */
  cpus?: number | undefined;
  /** How much memory commands may use, in bytes. */
  memoryBytes?: number | undefined;
  /** The network of commands: `none`, `host` on this machine, otherwise `bridge` or the name of a network. */
  network?: string | undefined;
  /** On this machine only: whether commands run in a sandbox. */
  isolation?: 'none' | 'bubblewrap' | undefined;
  /** Directories that outlive it, beside those of its types. One replaces that of the same name. */
  caches?: readonly Cache[] | undefined;
}

/** The options of `create`. */
export interface CreateOptions extends CallOptions, MachineOptions, SetupOptions {
  /** The buildlet ends when nobody has held it for this long, in ms. Default: it need not be held. */
  holdMs?: number | undefined;
  /** A local snapshot to begin with, before any setup. */
  from?: string | undefined;
  /** Labels for it: keys with short texts, for `list` and `get`. */
  labels?: Labels | undefined;
  /** Labels that its machine must have, with or without a value: for coordinators whose machines have labels. */
  machineLabels?: WantedLabels | undefined;
  /** The priority in a coordinator's queue. Default: `normal`, or less if that is not allowed. */
  priority?: Priority | undefined;
  /** Called with a short description of what is being waited for. */
  onProgress?: ((step: string) => void) | undefined;
  /** Called with a line for each host that was skipped because it does not answer. */
  onWarning?: ((line: string) => void) | undefined;
}

export async function createOne(
  backends: Backends,
  type: string,
  options: CreateOptions & { signal: AbortSignal },
): Promise<{ backend: AnyBackend; instance: Instance }> {
  return await withType(type, backends, options.signal, async (wanted) => {
    const [instance] = await createSeveral(backends, wanted, 1, options);
    if (instance === undefined) throw new GomoteError('ERR_MACHINE', 'nothing was created');
    return { backend: wanted.backend, instance };
  });
}

export async function createSeveral(
  backends: Backends,
  wanted: Wanted,
  count: number,
  options: CreateOptions & { signal: AbortSignal },
): Promise<Instance[]> {
  const { backend, builder, host: described } = wanted;
  const { signal, onProgress, onWarning, holdMs, labels, machineLabels, priority, from } = options;
  const onHost = hostOf(options, backend);
  const needs = [from, options.setup, described.setup, builder.setup].some(
    (one) => one !== undefined,
  );
  const ready = needs ? await import('./setup.ts') : undefined;
  const setups = ready?.setupsOf(wanted, options) ?? [];
  if (labels !== undefined) await checkLabels(labels, backend, signal);
  if (machineLabels?.length) await requireChoice('machineLabels', backend, signal);
  if (priority !== undefined) await requireChoice('priority', backend, signal);
  const kind = (await backends.configOf(backend.name))?.kind;
  const limited = withLimits(described, options, kind);
  const merged = mergedCaches(described.caches, builder.caches, options.caches);
  // Told when the buildlets are there: the backend may not have the type, and then another one is asked.
  const leftOut: string[] = [];
  const caches =
    merged.length === 0 ? [] : await possibleCaches(merged, backend, limited, backends, leftOut);
  const host = caches.length > 0 ? { ...limited, caches } : limited;
  const kept =
    from === undefined && setups.length > 0
      ? await (await import('./cached-setup.ts')).cachedSetup({ ...wanted, host }, setups, {
          backends,
          isAgain: options.freshSetup === true,
          tell: onWarning ?? (() => undefined),
          signal,
        })
      : undefined;
  const begun =
    from === undefined
      ? undefined
      : await (await import('./snapshots.ts')).restorer(from, backends, backend, signal);
  const restore = kept?.restore ?? begun?.restore;
  const attributes = { 'gomote.type': builder.name, 'gomote.backend': backend.name };
  const user = await backends.user();
  const instances = await inSpan('create', { attributes }, () =>
    createAll(backend, builder, count, {
      user,
      host: options.inheritEnv ? { ...host, inheritEnv: true } : host,
      ...{ signal, onProgress, onHost, onWarning, labels, machineLabels, priority },
      holdMs: holdMs ?? ready?.setupHoldMs,
      image: begun?.image,
    }),
  );
  for (const line of leftOut) onWarning?.(line);
  if (ready !== undefined) {
    onProgress?.('making it ready');
    await ready.setUpBuildlets(wanted, instances, {
      ...options,
      restore,
      keep: kept?.keep,
      setups: kept?.restore === undefined ? setups : [],
      areHeld: holdMs !== undefined,
    });
  }
  return instances;
}

/** Throws ERR_USAGE for invalid labels, and ERR_UNSUPPORTED where they would not be stored. */
async function checkLabels(labels: Labels, backend: AnyBackend, signal: AbortSignal) {
  checkRecord('labels', labels);
  for (const [key, value] of Object.entries(labels)) {
    const why = whyNoLabel(key, value);
    if (why === undefined) continue;
    const message = `"${key}=${value}" cannot be a label: ${why}`;
    throw new GomoteError('ERR_USAGE', message, { hint: 'give one such as os=linux' });
  }
  if (areTooMany(labels)) {
    throw new GomoteError('ERR_USAGE', 'a buildlet has no more than 32 labels', {
      hint: 'give fewer',
    });
  }
  if (backend.keepsLabels === undefined || (await backend.keepsLabels({ signal }))) return;
  throw new GomoteError('ERR_UNSUPPORTED', `the backend "${backend.name}" keeps no labels`, {
    hint: 'leave them out, or run a newer coordinator there',
  });
}

/**
 * Leaves out optional ones that cannot be there, with a line for each. Throws ERR_USAGE for caches that do not go together, and ERR_UNSUPPORTED where
 * none are kept.
 */
async function possibleCaches(
  caches: readonly Cache[],
  { name }: AnyBackend,
  host: HostType,
  backends: Backends,
  leftOut: string[],
): Promise<readonly Cache[]> {
  const why = cacheConflict(caches);
  if (why !== undefined) throw new GomoteError('ERR_USAGE', why, { hint: 'leave some out' });
  // What creates may be a part of the backend only.
  const backend = await backends.open(name);
  const config = await backends.configOf(name);
  const isHome =
    (config?.kind === 'local' || config?.kind === 'ssh') &&
    { ...config.defaults, ...host.local }.isolation !== 'bubblewrap';
  const whyNot = ({ path, mode }: Cache): string | undefined => {
    if (backend.caches === undefined) return 'it keeps none';
    if (isHome && /^[~/]/.test(path)) return 'commands are not isolated there';
    return config?.kind === 'gce' && mode !== 'exclusive'
      ? 'its disks are for one at a time'
      : undefined;
  };
  const possible = caches.filter((cache) => {
    const why = whyNot(cache);
    if (why === undefined || !cache.isOptional) return true;
    leftOut.push(`without the cache "${cache.name}" at ${cache.path} on ${name}: ${why}`);
    return false;
  });
  if (backend.caches !== undefined || possible.length === 0) return possible;
  throw new GomoteError('ERR_UNSUPPORTED', `the backend "${backend.name}" keeps no caches`, {
    hint: 'leave them out, or use a backend of kind local, ssh or docker, or one of kind kubernetes or gce that has `caches`; at a coordinator its host types have them',
  });
}

/** Throws ERR_USAGE where the backend has one kind of machine and no queue, ERR_UNSUPPORTED where its server is too old. */
async function requireChoice(
  what: 'machineLabels' | 'priority',
  backend: AnyBackend,
  signal: AbortSignal,
): Promise<void> {
  const option = what === 'priority' ? '--priority' : '--require';
  if (backend.chooses === undefined) {
    throw new GomoteError('ERR_USAGE', `${option} is for coordinators, not for "${backend.name}"`, {
      hint: 'leave it out, or give --backend NAME',
    });
  }
  if (await backend.chooses(what, { signal })) return;
  throw new GomoteError(
    'ERR_UNSUPPORTED',
    `the coordinator "${backend.name}" does not know ${option}`,
    {
      hint: 'leave it out, or run a newer coordinator there',
    },
  );
}

/** The chosen host, if any. Throws ERR_USAGE where there are no hosts. */
export function hostOf({ host }: MachineOptions, backend: AnyBackend): string | undefined {
  if (host === undefined || backend.answerPrompts !== undefined) return host;
  throw new GomoteError('ERR_USAGE', `backend "${backend.name}" has no hosts to choose from`, {
    hint: 'leave --host out, or give --backend NAME for one of kind "ssh"',
  });
}

/** The host type with the caller's options. Throws ERR_USAGE for options that the backend does not support. */
function withLimits(
  host: HostType,
  { cpus, memoryBytes, network, isolation }: MachineOptions,
  kind: string | undefined,
): HostType {
  const given = Object.fromEntries(
    Object.entries({ cpus, memoryBytes, network, isolation }).filter(([, value]) => value),
  );
  const [first] = Object.keys(given);
  if (first === undefined) return host;
  if (kind === 'local' || kind === 'ssh') {
    if (network !== undefined && network !== 'host' && network !== 'none') {
      throw new GomoteError('ERR_USAGE', `--network "${network}" is for containers only`, {
        hint: 'elsewhere it is host or none',
      });
    }
    return { ...host, local: overridden(host.local, given) };
  }
  if (kind === 'docker' && host.docker !== undefined && isolation === undefined) {
    return { ...host, docker: { ...host.docker, ...given } };
  }
  const option = isolation === undefined ? first.replace('Bytes', '') : 'isolation';
  const where = isolation === undefined ? 'this machine and for containers' : 'this machine';
  throw new GomoteError('ERR_USAGE', `--${option} is for ${where} only`, {
    hint: 'elsewhere the host type says it, in config.toml or at the coordinator',
  });
}
