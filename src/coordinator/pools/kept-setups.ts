// Keeps the result of a host type's setup as a snapshot: the next machine begins with it, and the script does not run again.
import { join } from 'node:path';
import type { Setup } from '../../backends/setup.ts';
import { restoreArchives, saveArchives } from '../../backends/snapshots/archives.ts';
import {
  hasAllElse,
  isFresh,
  keptBytes,
  pruneResults,
  resultTag,
} from '../../backends/snapshots/setup-results.ts';
import { SnapshotStore } from '../../backends/snapshots/store.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { isConnectionError, messageOf } from '../../errors.ts';
import type { Snapshot } from '../../protocol/snapshot.ts';
import type { Log } from '../log.ts';
import type { PoolConfig } from '../pool-config.ts';
import { diskWatch } from '../snapshots/disk-watch.ts';
import { hostOf } from './backend-pool.ts';

export class KeptSetups {
  readonly #store: SnapshotStore;
  readonly #log: Log;
  /** Those that are being kept. */
  readonly #inWork = new Set<string>();

  /** What an earlier coordinator has left undone is removed: nobody else uses the state directory. */
  static async open(stateDirectory: string, log: Log): Promise<KeptSetups> {
    const store = new SnapshotStore(join(stateDirectory, 'setups'));
    await store.sweep(true);
    return new KeptSetups(store, log);
  }

  private constructor(store: SnapshotStore, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  /** The name for the result of the pool's setups; undefined when it is not kept. */
  nameFor(config: PoolConfig, setups: readonly Setup[]): string | undefined {
    const { host } = config;
    const isWhole =
      config.kind === 'local' &&
      config.users === undefined &&
      hasAllElse(config.kind, config.machine.isolation);
    if (!(host.setup?.isKept ?? isWhole)) return undefined;
    // Caches are links, and each user has their own.
    if (host.caches?.some(({ shared }) => shared !== true)) return undefined;
    const { setup: _, description: __, ...machine } = hostOf(config);
    const where = config.kind === 'backend' ? config.backend : config.kind;
    return resultTag([where, machine], setups);
  }

  /** Puts the result into the work directory of a new machine. Returns whether there was one. */
  async restore(tag: string, client: BuildletClient, signal: AbortSignal): Promise<boolean> {
    const found = this.#find(tag);
    if (found === undefined) return false;
    try {
      this.#store.use(tag);
      const { hasRecords } = found;
      await restoreArchives(client, this.#store.directory(tag), { hasRecords, signal });
      return true;
    } catch (error) {
      // It may be damaged: the next machine does without it.
      if (!signal.aborted && !isConnectionError(error)) await this.#store.clear(tag);
      throw error;
    }
  }

  /** Keeps the work directory as the result; a failure is only logged. */
  async keep(
    tag: string,
    { name, host }: PoolConfig,
    client: BuildletClient,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#inWork.has(tag) || this.#find(tag) !== undefined) return;
    this.#inWork.add(tag);
    try {
      await this.#store.clear(tag);
      const { storedBytes } = await this.#store.add(tag, async (directory) => {
        const limits = { limitBytes: keptBytes, onBytes: diskWatch(directory) };
        const saved = await saveArchives(client, directory, { exclude: [], ...limits, signal });
        return {
          ...{ kind: 'files', backend: name, buildlet: '', excluded: [] },
          ...{ builderType: host.name, hostType: host.name, ...saved, isAutomatic: true },
        };
      });
      this.#log.write('setup-kept', { pool: name, snapshot: tag, bytes: storedBytes });
      await pruneResults(this.#store);
    } catch (error) {
      signal.throwIfAborted();
      this.#log.write('trouble', {
        what: `the result of the setup of ${host.name} is not kept: ${messageOf(error)}`,
      });
    } finally {
      this.#inWork.delete(tag);
    }
  }

  /** Undefined also for one that is too old, and where the directory cannot be read: no machine fails because of that. */
  #find(tag: string): Snapshot | undefined {
    try {
      const found = this.#store.find(tag);
      return found !== undefined && isFresh(found) ? found : undefined;
    } catch {
      return undefined;
    }
  }
}
