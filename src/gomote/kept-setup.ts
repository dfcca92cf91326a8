// The result of a setup, kept as a snapshot: the next buildlet with the same setup begins with it.
import { createHash } from 'node:crypto';
import { arch, platform } from 'node:os';
import { digestOfSetups, type Setup } from '../backends/setup.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { messageOf } from '../errors.ts';
import type { Backends } from './backends.ts';
import type { Wanted } from './find-type.ts';
import { type Restore, restorer, takeSnapshot, userSnapshots } from './snapshots.ts';

/** How old a result may be, in ms: what it has fetched grows old. */
const oldestMs = 7 * 24 * 3_600_000;

/** How many are kept, and how many bytes of them. */
const keptCount = 10;
const keptBytes = 20 * 2 ** 30;

export interface KeptSetup {
  /** Puts the result into a new buildlet; absent: there is none. */
  readonly restore?: Restore | undefined;
  /** Keeps the result that the first buildlet has. */
  keep(client: BuildletClient, name: string, signal: AbortSignal): Promise<void>;
}

/**
 * Of buildlets of this machine: what a setup does outside of the work directory is still there.
 *
 * @param tell Called with what the user should know.
 */
export function keptSetup(
  { backend, builder, host }: Wanted,
  setups: readonly Setup[],
  backends: Backends,
  tell: (line: string) => void,
): KeptSetup {
  const store = userSnapshots(backends.settings.environment);
  const kind = JSON.stringify([backend.name, builder, host, platform(), arch()]);
  const key = createHash('sha256').update(kind).update(digestOfSetups(setups)).digest('hex');
  const tag = `setup-${key.slice(0, 24)}`;
  const found = store.find(tag);
  if (found !== undefined && Date.now() - Date.parse(found.created) < oldestMs) {
    tell(`the setup was done before: this begins with its result, ${tag} (--fresh-setup: again)`);
    return { restore: restorer(tag, backends.settings.environment), keep: async () => undefined };
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
