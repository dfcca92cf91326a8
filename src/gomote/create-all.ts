// Creates several buildlets, or none.
import type { Backend, BatchCreation, CreateCall, Instance } from '../backends/backend.ts';
import type { BuilderType } from '../builders.ts';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { anySignal, timeoutSignal } from '../timeout-signal.ts';

/** Creates all concurrently. When one fails, all are destroyed. */
export async function createAll(
  backend: Backend & Partial<BatchCreation>,
  builder: BuilderType,
  count: number,
  call: CreateCall,
): Promise<Instance[]> {
  const made = count > 1 ? await backend.createAll?.(builder, count, call) : undefined;
  if (made !== undefined) return sorted(made);
  const created: Instance[] = [];
  const failed = new AbortController();
  const results = await Promise.allSettled(
    Array.from({ length: count }, async () => {
      // Separate signals: Node warns about many listeners on one signal.
      const signal = anySignal(call.signal, failed.signal);
      try {
        created.push(await backend.create(builder, { ...call, signal }));
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  if (results.every((result) => result.status === 'fulfilled')) {
    return sorted(created);
  }
  throw await withoutCreated(backend, created, failed.signal.reason);
}

const sorted = (instances: Instance[]): Instance[] =>
  instances.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));

/** Destroys the buildlets of a failed create. Returns the error, with the names of those that still exist. */
export async function withoutCreated(
  backend: Backend,
  created: readonly Instance[],
  error: unknown,
): Promise<unknown> {
  const results = await Promise.allSettled(
    created.map(({ name }) => destroyCreated(backend, name)),
  );
  const left = results.flatMap((result, i) =>
    result.status === 'rejected' ? [{ name: created[i]?.name ?? '', why: result.reason }] : [],
  );
  if (left.length === 0) return error;
  const names = left.map(({ name }) => `${backend.name}/${name}`).join(' ');
  const reasons = left.map(({ name, why }) => `${name}: ${messageOf(why)}`).join('; ');
  const code = isGomoteError(error) ? error.code : 'ERR_STATUS';
  return new GomoteError(code, `${messageOf(error)}; not destroyed: ${reasons}`, {
    hint: `run gomote destroy ${names}`,
    cause: error,
  });
}

const destroyMs = 120_000;

/** Destroys a buildlet that this process has created; it may have ended by itself. */
export async function destroyCreated(backend: Backend, name: string): Promise<void> {
  try {
    await backend.destroy(name, { signal: timeoutSignal(destroyMs) });
  } catch (error) {
    if (!isGomoteError(error, 'ERR_UNKNOWN_BUILDLET')) throw error;
  }
}
