// The buildlets of all backends.
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
  /** The name of that. */
  readonly backend: string;
}

/** What `list` takes. */
export interface ListBuildletsOptions extends CallOptions {
  /** Also those of others, from coordinators whose admin the user is. Default false. */
  everybody?: boolean | undefined;
  /** Called for each backend, or part of one, that does not answer. Absent: such a backend fails the call. */
  onFailure?: ((error: GomoteError) => void) | undefined;
}

/** How long one backend may take, in ms: the others are not to wait for it forever. */
const listTimeoutMs = 20_000;

/** How long an engine that nobody has configured may take, in ms. */
const builtInTimeoutMs = 3_000;

export async function list(
  backends: Backends,
  { onFailure, signal, everybody }: ListBuildletsOptions & { signal: AbortSignal },
): Promise<ListedBuildlet[]> {
  return await ofAll(backends, { signal, onFailure }, (backend, call) =>
    listOne(backend, backends, { ...call, everybody }),
  );
}

/** What `ask` finds in each backend: the chosen one, or all. */
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

/** The backends to ask: the chosen one, or all, with hosts that were named before and have buildlets of this user's. */
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

/** What `create docker:IMAGE` has made; nothing where there is no engine, for nobody has said that there is one. */
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
