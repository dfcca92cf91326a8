// Caches the result of a setup as a snapshot: the next buildlet with the same setup starts from it.
import { arch, platform } from 'node:os';
import type { Setup } from '../backends/setup.ts';
import {
  hasAllElse,
  isFresh,
  pruneResults,
  resultTag,
} from '../backends/snapshots/setup-results.ts';
import { unlessUnknown } from '../backends/snapshots/store.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { isConnectionError, messageOf } from '../errors.ts';
import type { Backends } from './backends.ts';
import type { Wanted } from './find-type.ts';
import { serverOf, userSnapshots } from './snapshot-places.ts';
import { type Restore, restorer, takeSnapshot } from './snapshots.ts';

export interface CachedSetup {
  /** Restores the result in a new buildlet; absent: there is none. */
  readonly restore?: Restore | undefined;
  /** Stores the result of the first buildlet. */
  keep(client: BuildletClient, name: string, signal: AbortSignal): Promise<void>;
}

interface CachedSetupCall {
  readonly backends: Backends;
  /** Whether to run the setup anyway, and to keep the new result. */
  readonly isAgain: boolean;
  /** Called with messages for the user. */
  readonly tell: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Finds the cached result. Undefined when none is kept: it is the work directory alone, and what else a setup does may be lost. */
export async function cachedSetup(
  { backend, builder, host }: Wanted,
  setups: readonly Setup[],
  { backends, isAgain, tell, signal }: CachedSetupCall,
): Promise<CachedSetup | undefined> {
  const config = await backends.configOf(backend.name);
  const isolation =
    config?.kind === 'local' ? { ...config.defaults, ...host.local }.isolation : undefined;
  const isWhole = hasAllElse(config?.kind, isolation);
  if (!setups.every(({ isKept = isWhole }) => isKept)) return undefined;
  const store = userSnapshots(backends.settings.environment);
  const server = await serverOf(backend, signal);
  const tag = resultTag([backend.name, builder, host, platform(), arch()], setups);
  const clear = async () => {
    if (server === undefined) return await store.clear(tag);
    await server.remove(tag, { signal }).catch(unlessUnknown);
  };
  const found = isAgain
    ? undefined
    : server === undefined
      ? store.find(tag)
      : (await server.list({ signal })).find((one) => one.tag === tag);
  if (found !== undefined && isFresh(found)) {
    const name = server === undefined ? tag : `${backend.name}/${tag}`;
    tell(`the setup was done before: this begins with its result, ${name} (--fresh-setup: again)`);
    const { restore } = await restorer(name, backends, backend, signal);
    return {
      restore: async (client, signal, instance) => {
        try {
          await restore(client, signal, instance);
        } catch (error) {
          // It may be damaged: the next buildlet does without it.
          if (!signal.aborted && !isConnectionError(error)) await clear();
          throw error;
        }
      },
      keep: async () => undefined,
    };
  }
  return {
    keep: async (client, name, signal) => {
      try {
        // One that is too old, or cannot be read.
        await clear();
        const place = { name: `${backend.name}/${name}`, client, builder, backends };
        await takeSnapshot(place, tag, { signal, isAutomatic: true });
        if (server === undefined) await pruneResults(store);
      } catch (error) {
        signal.throwIfAborted();
        tell(`the result of the setup is not kept: ${messageOf(error)}`);
      }
    },
  };
}
