// Lists and removes the caches of all backends.
import type { KeptCache } from '../backends/backend.ts';
import type { CallOptions } from '../client/client-options.ts';
import { GomoteError, isGomoteError } from '../errors.ts';
import type { Backends } from './backends.ts';
import { type ListBuildletsOptions, ofAll } from './list.ts';

/** A directory that outlives buildlets. */
export interface ListedCache extends KeptCache {
  /** The name of its backend. */
  readonly backend: string;
}

/** Options of calls for caches. */
export interface CacheOptions extends CallOptions, Pick<ListBuildletsOptions, 'onFailure'> {}

export const listCaches = (
  backends: Backends,
  options: CacheOptions & { signal: AbortSignal },
): Promise<ListedCache[]> =>
  ofAll(backends, options, async (backend, call) =>
    ((await backend.caches?.(call)) ?? []).map((cache) => ({ ...cache, backend: backend.name })),
  );

/** Removes the cache. Throws ERR_UNKNOWN_CACHE when no backend has one of that name. */
export async function purgeCache(
  name: string,
  backends: Backends,
  options: CacheOptions & { signal: AbortSignal },
): Promise<void> {
  const results = await ofAll<boolean | undefined | GomoteError>(
    backends,
    options,
    async (backend, call) => {
      try {
        return [await backend.purgeCache?.(name, call)];
      } catch (error) {
        // The cause is not the backend but, for example, that the cache is in use.
        if (isGomoteError(error, 'ERR_CONFLICT')) return [error];
        throw error;
      }
    },
  );
  const refusal = results.find((result) => isGomoteError(result));
  if (refusal !== undefined) throw refusal;
  if (results.includes(true)) return;
  throw new GomoteError('ERR_UNKNOWN_CACHE', `no cache "${name}"`, {
    hint: 'gomote cache list shows those that there are',
  });
}
