// Buildlets on this machine: each is a process with a unix socket, which outlives the command that created it.
import { promises, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type BuilderType, type LocalMachine, overridden } from '../../builders.ts';
import { BuildletClient } from '../../client/buildlet-client.ts';
import { type GomoteError, isConnectionError, isGomoteError, isOwnShortage } from '../../errors.ts';
import { buildletName } from '../../protocol/buildlet-name.ts';
import { labelsOf } from '../../protocol/labels.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import type {
  Backend,
  BackendCall,
  BackendContext,
  CacheKeeper,
  Cleanup,
  CreateCall,
  Diagnosis,
  Instance,
  KeptCache,
  KnownNames,
  RequestLog,
} from '../backend.ts';
import { deadBuildlet, othersBuildlet, unknownBuildlet } from '../buildlet-errors.ts';
import type { CacheDirectories } from './caches.ts';
import type { LocalConfig } from './config.ts';
import type { NameNumber } from './create.ts';
import type { UserIds } from './own-users.ts';
import { hasLocalRoot, type LocalPlaces, localPlaces, refuseOn } from './places.ts';
import type { StartLocal } from './process.ts';
import {
  filesOf,
  type LocalRecord,
  ownerOf,
  readPassword,
  readRecord,
  sharedWith,
  unreadable,
} from './record.ts';

export interface LocalSettings extends LocalConfig, BackendContext {
  /** The directory of the buildlets, private to this process. Absent: the user's. */
  readonly root?: string | undefined;
  /** The same, shared by all processes that name it. */
  readonly sharedRoot?: string | undefined;
  /** Of a directory that is private to this process, which is root's: each buildlet has a user of its own. */
  readonly users?: UserIds | undefined;
  /** Starts the buildlet of a record, and waits until it answers. Absent: as a process. */
  readonly start?: StartLocal | undefined;
}

/** How the user reaches a buildlet on this machine. */
interface LocalReach {
  /** The path of its socket. */
  readonly socket: string;
  readonly password: string;
}

/** The time limit for probing a buildlet, in ms. */
const probeTimeoutMs = 2_000;

/** The time limit for a halted buildlet to end its commands and remove its files, in ms. */
const haltTimeoutMs = 15_000;

/** The age at which a directory without a record is a leftover, in ms: a create takes less. */
const youngMs = 60_000;

export class LocalBackend implements Backend, CacheKeeper, Diagnosis, Cleanup, KnownNames {
  readonly name: string;
  readonly #user: string | undefined;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #inheritEnv: boolean;
  readonly #defaults: LocalMachine;
  readonly #places: LocalPlaces;
  /** The directory that is private to this process. */
  readonly #root: string | undefined;
  readonly #start: StartLocal | undefined;
  readonly #onRequest: RequestLog;

  constructor(settings: LocalSettings, onRequest: RequestLog) {
    this.name = settings.name;
    this.#user = settings.user;
    this.#environment = settings.environment;
    this.#inheritEnv = settings.inheritEnv === true;
    this.#defaults = settings.defaults ?? {};
    this.#root = settings.root;
    const root = settings.root ?? settings.sharedRoot;
    this.#places = localPlaces(settings.environment, root, settings.users);
    this.#start = settings.start;
    this.#onRequest = onRequest;
  }

  /** @param number The number in its name. Default: the next one here. */
  async create(builder: BuilderType, call: CreateCall, number?: NameNumber): Promise<Instance> {
    refuseOn(process.platform);
    const { reserve } = await import('./create.ts');
    const startBuildlet = this.#start ?? (await import('./process.ts')).startLocalBuildlet;
    const machine = overridden(this.#defaults, call.host.local);
    const { directory, record } = await reserve(
      this.#places,
      builder,
      { ...call, number },
      this.#environment,
    );
    try {
      const inheritEnv = this.#inheritEnv || call.host.inheritEnv === true;
      const wanted = call.host.caches ?? [];
      const owner = call.cacheOwner ?? call.user;
      const taker = { buildlet: record.name, directory, files: filesOf(record), owner };
      const caches =
        wanted.length === 0 ? [] : await (await this.#caches()).take(wanted, taker, machine);
      const start = { own: this.#environment, inheritEnv, machine, holdMs: call.holdMs, caches };
      await startBuildlet(directory, record, start, call.signal);
      return await this.#inspect(directory, record, call.signal);
    } catch (error) {
      await this.#remove(directory, record);
      throw error;
    }
  }

  async list(call: BackendCall): Promise<Instance[]> {
    const { root } = this.#places;
    if (!hasLocalRoot(root)) return [];
    const entries = await promises.readdir(root, { withFileTypes: true });
    const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    const found = await Promise.all(
      names.sort().map(async (name): Promise<Instance | undefined> => {
        const directory = join(root, name);
        try {
          const record = readRecord(directory);
          if (record === undefined || !this.#isOurs(record)) return undefined;
          return await this.#inspect(directory, record, call.signal);
        } catch (error) {
          const isOfOne =
            isGomoteError(error, 'ERR_LOCAL_FILE') || isGomoteError(error, 'ERR_CONFIG');
          if (isOwnShortage(error) || !isOfOne) throw error;
          // Its owner cannot be read either.
          return this.#user === undefined ? unreadable(name) : undefined;
        }
      }),
    );
    return found.filter((instance) => instance !== undefined);
  }

  knownNames(): { name: string; about: string }[] {
    const { root } = this.#places;
    if (!hasLocalRoot(root)) return [];
    return readdirSync(root).flatMap((name) => {
      try {
        const record = readRecord(join(root, name));
        if (record === undefined || !this.#isOurs(record)) return [];
        return [{ name, about: record.builderType }];
      } catch {
        return [];
      }
    });
  }

  async #inspect(directory: string, record: LocalRecord, signal: AbortSignal): Promise<Instance> {
    const { name, builderType, hostType } = record;
    const [owner, labels] = [ownerOf(record), labelsOf(record.labels)];
    const created = new Date(record.created);
    const instance = { name, owner, builderType, hostType, created, labels };
    const client = this.#client(directory, record);
    try {
      const late = timeoutSignal(probeTimeoutMs);
      const { expires } = await client.probe({ signal: anySignal(signal, late) });
      return { ...instance, expires, dead: undefined };
    } catch (error) {
      signal.throwIfAborted();
      // Then it was not checked.
      if (isOwnShortage(error)) throw error;
      const silent = isGomoteError(error, 'ERR_ABORTED');
      return { ...instance, expires: undefined, dead: silent ? 'does not answer' : 'died' };
    } finally {
      await client.disconnect();
    }
  }

  /** Checks one buildlet as `list` does. */
  async look(name: string, call: BackendCall): Promise<Instance> {
    const { directory, record } = this.#find(name);
    return await this.#inspect(directory, record, call.signal);
  }

  reach(name: string): LocalReach {
    const { directory, record } = this.#find(name);
    return { socket: record.socket, password: readPassword(directory) };
  }

  async connect(name: string): Promise<BuildletClient> {
    const { directory, record } = this.#find(name);
    return this.#client(directory, record);
  }

  #recordOf(name: string): LocalRecord | undefined {
    const { root } = this.#places;
    return buildletName.test(name) && hasLocalRoot(root) ? readRecord(join(root, name)) : undefined;
  }

  #find(name: string): { directory: string; record: LocalRecord } {
    const directory = join(this.#places.root, name);
    const record = this.#recordOf(name);
    if (record === undefined) throw unknown(name);
    if (this.#isOurs(record)) return { directory, record };
    throw othersBuildlet(name, ownerOf(record));
  }

  #isOurs(record: LocalRecord): boolean {
    return this.#user === undefined || ownerOf(record) === this.#user;
  }

  #client(directory: string, record: LocalRecord): BuildletClient {
    return new BuildletClient(
      `unix:${record.socket}`,
      { password: readPassword(directory) },
      {
        name: record.name,
        description: '(local)',
        ...sharedWith(record),
        onRequest: this.#onRequest,
      },
    );
  }

  async destroy(name: string, call: BackendCall): Promise<void> {
    const { directory, record } = this.#find(name);
    const client = this.#client(directory, record);
    try {
      await client.halt(call);
      await this.#waitForEnd(directory, record, call.signal);
    } catch (error) {
      call.signal.throwIfAborted();
      if (!isGomoteError(error)) throw error;
    } finally {
      await client.disconnect();
    }
    await this.#remove(directory, record);
  }

  /** Waits until the buildlet has removed its directory and its process has ended. */
  async #waitForEnd(directory: string, record: LocalRecord, signal: AbortSignal): Promise<void> {
    const { isRunning } = await import('./process.ts');
    const { setTimeout: sleep } = await import('node:timers/promises');
    const deadline = Date.now() + haltTimeoutMs;
    while (Date.now() < deadline) {
      // One with a user of its own cannot remove it.
      const gone = record.uid !== undefined || readRecord(directory) === undefined;
      if (gone && (record.pid === undefined || !(await isRunning(record)))) return;
      await sleep(10, undefined, { signal });
    }
  }

  /** Ends the buildlet's remaining processes and removes its files. */
  async #remove(directory: string, record: LocalRecord): Promise<void> {
    const { endLocalBuildlet } = await import('./process.ts');
    await endLocalBuildlet(readRecord(directory) ?? record);
    const socketDir = dirname(record.socket);
    const { removeTree } = await import('../../files/remove-tree.ts');
    if (socketDir !== directory) await removeTree(socketDir);
    await removeTree(directory);
    const { cachesOf } = record;
    if (cachesOf !== undefined) await (await this.#caches()).release(record.name, cachesOf);
  }

  async #caches(): Promise<CacheDirectories> {
    const { openCaches } = await import('./caches.ts');
    return openCaches(this.#environment, this.#root);
  }

  async caches(): Promise<KeptCache[]> {
    return await (await this.#caches()).list(this.#user);
  }

  async purgeCache(name: string): Promise<boolean> {
    return await (await this.#caches()).purge(name, this.#user);
  }

  /** Ignores young directories without a record: another process may be creating them. */
  async reap(): Promise<string[]> {
    const { reapLocal } = await import('./reap.ts');
    return await reapLocal(this.#places, {
      minimumAgeMs: this.#root === undefined ? youngMs : 0,
      // A process that owns its buildlets must notice their deaths itself.
      withDead: this.#root === undefined,
    });
  }

  async explain(name: string, error: GomoteError): Promise<GomoteError> {
    if (!isConnectionError(error)) return error;
    const directory = join(this.#places.root, name);
    const record = this.#recordOf(name);
    if (record === undefined) return unknown(name, error);
    const { dead } = await this.#inspect(directory, record, new AbortController().signal);
    if (dead !== 'died') return error;
    return deadBuildlet(name, `the buildlet "${name}" has died`, error);
  }
}

const unknown = (name: string, cause?: unknown): GomoteError =>
  unknownBuildlet(`no local buildlet "${name}"`, cause);
