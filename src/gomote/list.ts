// Lists the buildlets of all backends.
import type { AnyBackend, Instance, ListCall, PartsCall } from '../backends/backend.ts';
import { isAdHocHost } from '../backends/ssh/ad-hoc.ts';
import type { CallOptions } from '../client/client-options.ts';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { anySignal, timeoutSignal } from '../timeout-signal.ts';
import type { Backends } from './backends.ts';

/** A buildlet of a list. */
export interface ListedBuildlet extends Instance {
  /** The name for `get`. */
  readonly name: string;
  /** Its name in its backend. */
  readonly instance: string;
  /** The name of the backend. */
  readonly backend: string;
}

/** The options of `list`. */
export interface ListBuildletsOptions extends CallOptions {
  /** Also lists buildlets of other users, on coordinators where the user is an administrator. Default false. */
  everybody?: boolean | undefined;
  /** Called for each backend, or part of one, that does not answer. Absent: the call fails. */
  onFailure?: ((error: GomoteError) => void) | undefined;
}

/** The time limit for one backend, in ms. */
const listTimeoutMs = 20_000;

/** The time limit for an engine that is not in the configuration, in ms. */
const builtInTimeoutMs = 3_000;

export async function list(
  backends: Backends,
  { onFailure, signal, everybody }: ListBuildletsOptions & { signal: AbortSignal },
): Promise<ListedBuildlet[]> {
  return await ofAll(backends, { signal, onFailure }, (backend, call) =>
    listOne(backend, backends, { ...call, everybody }),
  );
}

/** Calls `ask` for the chosen backend, or for all; returns all results. */
export async function ofAll<T>(
  backends: Backends,
  { onFailure = fail, signal }: Pick<ListBuildletsOptions, 'onFailure'> & { signal: AbortSignal },
  ask: (backend: AnyBackend, call: PartsCall) => Promise<T[]>,
): Promise<T[]> {
  const names = await namesOf(backends);
  const found = await askAll(names, backends, signal, onFailure, ask);
  if (backends.isGiven || names.includes('docker')) return found;
  return [...found, ...(await builtInDocker(backends, signal, ask))];
}

function fail(error: GomoteError): never {
  throw error;
}

/** The chosen backend, or all, including hosts that were used before and have buildlets of this user. */
async function namesOf(backends: Backends): Promise<string[]> {
  const chosen = await backends.defaultName();
  if (backends.isGiven) return [chosen];
  const { backendsWithConnections } = await import('../backends/ssh/connections.ts');
  const hosts = backendsWithConnections(backends.settings.environment).filter(isAdHocHost);
  return [...new Set([chosen, ...(await backends.config()).backends.keys(), ...hosts])];
}

async function askAll<T>(
  names: readonly string[],
  backends: Backends,
  signal: AbortSignal,
  onFailure: (error: GomoteError) => void,
  ask: (backend: AnyBackend, call: PartsCall) => Promise<T[]>,
): Promise<T[]> {
  const failures: GomoteError[] = [];
  const limited = anySignal(signal, timeoutSignal(listTimeoutMs));
  const results = await Promise.allSettled(
    names.map(async (given) => {
      const backend = await backends.open(given);
      const onPart = (error: GomoteError) => failures.push(failureOf(backend.name, error));
      return await ask(backend, { signal: limited, onFailure: onPart });
    }),
  );
  signal.throwIfAborted();
  const found = results.flatMap((result, i) => {
    if (result.status === 'fulfilled') return result.value;
    failures.push(failureOf(names[i] ?? '', result.reason));
    return [];
  });
  failures.forEach(onFailure);
  return found;
}

async function listOne(
  own: AnyBackend,
  backends: Backends,
  call: ListCall,
): Promise<ListedBuildlet[]> {
  const { name: backend } = own;
  const instances = await own.list(call);
  return await Promise.all(
    instances.map(async (instance) => {
      const name = await backends.fullName(backend, instance.name);
      return { ...instance, name, instance: instance.name, backend };
    }),
  );
}

/** Lists the buildlets of `create docker:IMAGE`; none when no engine answers, since none is configured. */
async function builtInDocker<T>(
  backends: Backends,
  signal: AbortSignal,
  ask: (backend: AnyBackend, call: PartsCall) => Promise<T[]>,
): Promise<T[]> {
  const limited = anySignal(signal, timeoutSignal(builtInTimeoutMs));
  try {
    return await ask(await backends.open('docker'), { signal: limited });
  } catch {
    signal.throwIfAborted();
    return [];
  }
}

function failureOf(backend: string, cause: unknown): GomoteError {
  const reason = messageOf(cause);
  const message = reason.includes(`"${backend}"`) ? reason : `backend ${backend}: ${reason}`;
  const hint = isGomoteError(cause) ? cause.hint : undefined;
  return new GomoteError('ERR_CONNECT', message, { hint, cause });
}
