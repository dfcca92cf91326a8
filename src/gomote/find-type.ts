// Finds the backend that creates buildlets of a type.
import type { AnyBackend } from '../backends/backend.ts';
import { adHocTypes } from '../backends/docker/ad-hoc.ts';
import { isAdHocHost, sshTypes } from '../backends/ssh/ad-hoc.ts';
import {
  type BuilderType,
  type Catalogue,
  findBuilderType,
  type HostType,
  hostTypeOf,
} from '../builders.ts';
import { GomoteError, isGomoteError } from '../errors.ts';
import { anySignal, timeoutSignal } from '../timeout-signal.ts';
import type { Backends } from './backends.ts';

export interface Wanted {
  readonly backend: AnyBackend;
  readonly builder: BuilderType;
  readonly host: HostType;
}

/** The time limit for other backends to list their types, in ms: an error message waits for them. */
const typesMs = 5_000;

/**
 * Calls `make` with the builder type of that name or beginning. If the usual backend does not know it, and no other was
 * asked for, it is the only one that does.
 */
export async function withType<T>(
  type: string | undefined,
  backends: Backends,
  signal: AbortSignal,
  make: (wanted: Wanted) => Promise<T>,
): Promise<T> {
  if (type !== undefined && isAdHocHost(type)) {
    return await make({ ...sshTypes, backend: await backends.open(type) });
  }
  const adHoc = type === undefined ? undefined : adHocTypes(type);
  if (adHoc !== undefined) return await make({ ...adHoc, backend: await containers(backends) });
  const backend = await backends.open();
  try {
    return await withTypeOf(backend, type, backends, signal, make);
  } catch (error) {
    const isUnknown = isGomoteError(error, 'ERR_UNKNOWN_TYPE');
    if (!isUnknown || backends.isGiven || type === undefined) throw error;
    const found = await findElsewhere(type, backend.name, backends, signal);
    const [only] = found;
    if (only === undefined) throw error;
    if (found.length === 1) return await make(only);
    const names = found.map((one) => one.backend.name).join(', ');
    throw new GomoteError('ERR_UNKNOWN_TYPE', `ambiguous builder type "${type}"`, {
      hint: `backends with it are: ${names}; give --backend NAME`,
      cause: error,
    });
  }
}

/** The chosen backend, if it makes containers; else the one called `docker`. */
async function containers(backends: Backends): Promise<AnyBackend> {
  const chosen = await backends.defaultName();
  const kind = (await backends.configOf(chosen))?.kind;
  if (kind === 'docker' || !backends.isGiven) {
    return await backends.open(kind === 'docker' ? chosen : 'docker');
  }
  throw new GomoteError('ERR_USAGE', `backend "${chosen}" makes no containers`, {
    hint: 'leave --backend out, or name one of kind "docker"',
  });
}

/**
 * A backend that knows its own types is asked for them only when it does not know the name as it was given: a full name
 * costs no extra request.
 */
async function withTypeOf<T>(
  backend: AnyBackend,
  type: string | undefined,
  backends: Backends,
  signal: AbortSignal,
  make: (wanted: Wanted) => Promise<T>,
): Promise<T> {
  const { catalogue: own } = await backends.config();
  if (isAdHocHost(backend.name) && !type) return await make({ ...sshTypes, backend });
  if (backend.types === undefined) return await make({ backend, ...find(own, type) });
  if (type !== undefined && type !== '') {
    const configured = own.builders.find(({ name }) => name === type);
    const builder = configured ?? { name: type, hostType: '', env: [] };
    try {
      return await make({ backend, builder, host: { name: builder.hostType } });
    } catch (error) {
      const isUnknown = isGomoteError(error, 'ERR_UNKNOWN_TYPE');
      if (!isUnknown && (backends.isGiven || !(await lacks(backend, type, error, signal))))
        throw error;
    }
  }
  return await make({ backend, ...find(await backends.catalogueOf(backend, signal), type) });
}

/** Whether options were refused for a type that the backend does not have: another may have the type, and take the options. */
async function lacks(
  backend: AnyBackend,
  type: string,
  error: unknown,
  callSignal: AbortSignal,
): Promise<boolean> {
  if (!isGomoteError(error, 'ERR_USAGE') && !isGomoteError(error, 'ERR_UNSUPPORTED')) return false;
  const signal = anySignal(callSignal, timeoutSignal(typesMs));
  const types = await backend.types?.({ signal }).catch(() => undefined);
  return types !== undefined && !types.builders.some(({ name }) => name === type);
}

function find(catalogue: Catalogue, type: string | undefined): Omit<Wanted, 'backend'> {
  if (type !== undefined && type !== '') {
    const builder = findBuilderType(catalogue, type);
    return { builder, host: hostTypeOf(catalogue, builder) };
  }
  const names = catalogue.builders.map((builder) => builder.name);
  throw new GomoteError('ERR_USAGE', 'create needs a builder type', {
    hint: `types are: ${names.join(', ')}`,
  });
}

/** The type of exactly that name in the other backends; one that does not answer has none. */
async function findElsewhere(
  type: string,
  usual: string,
  backends: Backends,
  callSignal: AbortSignal,
): Promise<Wanted[]> {
  const { backends: configured } = await backends.config();
  const signal = anySignal(callSignal, timeoutSignal(typesMs));
  const others = [...configured.values()].filter(({ name }) => name !== usual);
  const { supportsHost } = await import('../backends/config.ts');
  const results = await Promise.allSettled(
    others.map(async ({ name, kind }) => {
      const backend = await backends.open(name);
      const catalogue = await backends.catalogueOf(backend, signal);
      const builder = catalogue.builders.find((one) => one.name === type);
      if (builder === undefined) return [];
      const host = hostTypeOf(catalogue, builder);
      return supportsHost(kind, host) ? [{ backend, builder, host }] : [];
    }),
  );
  callSignal.throwIfAborted();
  return results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
}
