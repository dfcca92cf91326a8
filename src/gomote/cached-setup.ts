// Caches the result of a setup as a snapshot: the next buildlet with the same setup starts from it.
import { createHash } from 'node:crypto';
import { arch, platform } from 'node:os';
import { digestOfSetups, type Setup } from '../backends/setup.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { messageOf } from '../errors.ts';
import type { Backends } from './backends.ts';
import type { Wanted } from './find-type.ts';
import { userSnapshots } from './snapshot-places.ts';
import { type Restore, restorer, takeSnapshot } from './snapshots.ts';

/** The maximum age of a result, in ms: downloads in it become outdated. */
const oldestMs = 7 * 24 * 3_600_000;

/** The maximum number and total size of results. */
const keptCount = 10;
const keptBytes = 20 * 2 ** 30;

export interface CachedSetup {
  /** Restores the result in a new buildlet; absent: there is none. */
  readonly restore?: Restore | undefined;
  /** Stores the result of the first buildlet. */
  keep(client: BuildletClient, name: string, signal: AbortSignal): Promise<void>;
}

/**
 * Finds the cached result. Only for buildlets on this machine, where the effects of a setup outside the work directory remain.
 *
 * @param tell Called with messages for the user.
 */
export async function cachedSetup(
  { backend, builder, host }: Wanted,
  setups: readonly Setup[],
  backends: Backends,
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<CachedSetup> {
  const store = userSnapshots(backends.settings.environment);
  const kind = JSON.stringify([backend.name, builder, host, platform(), arch()]);
  const key = createHash('sha256').update(kind).update(digestOfSetups(setups)).digest('hex');
  const tag = `setup-${key.slice(0, 24)}`;
  const found = store.find(tag);
  if (found !== undefined && Date.now() - Date.parse(found.created) < oldestMs) {
    tell(`the setup was done before: this begins with its result, ${tag} (--fresh-setup: again)`);
    const restore = await restorer(tag, backends, backend.name, signal);
    return { restore, keep: async () => undefined };
  }
  return {
    keep: async (client, name, signal) => {
      try {
        if (found !== undefined) await store.remove(tag);
        const place = { name: `${backend.name}/${name}`, client, builder, backends };
        await takeSnapshot(place, tag, { signal, isAutomatic: true });
        await store.prune(keptCount, keptBytes);
      } catch (error) {
        signal.throwIfAborted();
        tell(`the result of the setup is not kept: ${messageOf(error)}`);
      }
    },
  };
}
