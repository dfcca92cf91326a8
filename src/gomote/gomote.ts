// Creates, finds, lists and destroys buildlets by name, in all backends.
import type { AnyBackend, Instance } from '../backends/backend.ts';
import { builderTypeOfName } from '../builders.ts';
import type { CallOptions } from '../client/client-options.ts';
import { type GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { checkText } from './arguments.ts';
import type { Backends } from './backends.ts';
import { Buildlet, type BuildletParts } from './buildlet.ts';
import { isAddress, splitName } from './buildlet-name.ts';
import type { CacheOptions, ListedCache } from './caches.ts';
import type { CreateOptions } from './create.ts';
import { findByLabel } from './find-by-label.ts';
import type { ListBuildletsOptions, ListedBuildlet } from './list.ts';
import type { ListSnapshotsOptions } from './snapshot-places.ts';
import type { Snapshot } from './snapshots.ts';

/**
 * The buildlets of one user in all configured backends. Returned by `open`.
 *
 * @example
 * await using gomote = await open();
 * const { name } = await gomote.create('linux-amd64', { from: 'ready' });
 * for (const { name, expires } of await gomote.list()) console.log(name, expires);
 * await (await gomote.get(name)).run('make');
 * await gomote.destroy(name);
 *
 * @example
 * for (const { name } of await gomote.caches()) await gomote.purgeCache(name);
 * for (const { tag } of await gomote.snapshots()) console.log(tag, await gomote.snapshot(tag));
 * await gomote.prepareSnapshot('ready');
 * await gomote.shareSnapshot('team/ready');
 * await gomote.removeSnapshot('ready');
 * await gomote.close();
 */
export class Gomote implements AsyncDisposable {
  /** @internal */
  readonly backends: Backends;
  readonly #used = new Set<Buildlet>();

  /** @internal */
  constructor(backends: Backends) {
    this.backends = backends;
  }

  /**
   * Creates a buildlet and waits until it answers. When that fails or is cancelled, nothing is left behind.
   *
   * @param type A builder type or the beginning of one, `docker:IMAGE`, or `ssh:HOST`.
   * @returns The buildlet, which is destroyed at the end of its scope if it is declared by `await using`.
   * @throws GomoteError ERR_UNKNOWN_TYPE, and errors of the backend.
   */
  async create(type: string, options: CreateOptions = {}): Promise<Buildlet> {
    checkText('the type', type);
    const { createOne } = await import('./create.ts');
    const { backend, instance } = await this.backends.call(options, (signal) =>
      createOne(this.backends, type, { ...options, signal }),
    );
    const name = await this.backends.fullName(backend.name, instance.name);
    try {
      return await this.#connect(name, backend, instance.name, options, true);
    } catch (error) {
      const { withoutCreated } = await import('./create-all.ts');
      throw await withoutCreated(backend, [instance], error);
    }
  }

  /** The snapshots on this machine, and those that coordinators keep, called `BACKEND/TAG`. */
  async snapshots(options: ListSnapshotsOptions = {}): Promise<Snapshot[]> {
    const { listSnapshots } = await import('./snapshot-places.ts');
    return await this.backends.call(options, (signal) =>
      listSnapshots(this.backends, { ...options, signal }),
    );
  }

  /** A snapshot by name. Throws ERR_UNKNOWN_SNAPSHOT when it does not exist. */
  async snapshot(tag: string, options: CallOptions = {}): Promise<Snapshot> {
    const { findSnapshot } = await import('./snapshot-places.ts');
    return await this.backends.call(options, (signal) => findSnapshot(tag, this.backends, signal));
  }

  /**
   * Unpacks a copy of a snapshot, which the next buildlet of this machine with it gets; nothing, when there is one. That is
   * done by itself in the background for large snapshots. Throws ERR_UNKNOWN_SNAPSHOT when it does not exist.
   */
  async prepareSnapshot(tag: string, options: CallOptions = {}): Promise<void> {
    const { prepareSnapshot } = await import('./snapshots.ts');
    const { environment } = this.backends.settings;
    await this.backends.call(options, (signal) => prepareSnapshot(tag, environment, signal));
  }

  /** Removes a snapshot. Throws ERR_UNKNOWN_SNAPSHOT when it does not exist. */
  async removeSnapshot(tag: string, options: CallOptions = {}): Promise<void> {
    const { removeSnapshot } = await import('./snapshot-places.ts');
    await this.backends.call(options, (signal) => removeSnapshot(tag, this.backends, signal));
  }

  /**
   * Lets all users of its coordinator begin buildlets with a snapshot, or no longer. Throws ERR_UNSUPPORTED for one that is on
   * this machine.
   */
  async shareSnapshot(tag: string, isShared = true, options: CallOptions = {}): Promise<Snapshot> {
    const { shareSnapshot } = await import('./snapshot-places.ts');
    return await this.backends.call(options, (signal) =>
      shareSnapshot(tag, isShared, this.backends, signal),
    );
  }

  /** The user's caches: in the chosen backend, or in all backends when none was chosen. */
  async caches(options: CacheOptions = {}): Promise<ListedCache[]> {
    const { listCaches } = await import('./caches.ts');
    return await this.backends.call(options, (signal) =>
      listCaches(this.backends, { ...options, signal }),
    );
  }

  /**
   * Removes the caches of that name. Throws ERR_UNKNOWN_CACHE when there is none, and ERR_CONFLICT while a buildlet uses
   * one.
   */
  async purgeCache(name: string, options: CacheOptions = {}): Promise<void> {
    checkText('the name', name);
    const { purgeCache } = await import('./caches.ts');
    await this.backends.call(options, (signal) =>
      purgeCache(name, this.backends, { ...options, signal }),
    );
  }

  /** The user's buildlets: in the chosen backend, or in all backends when none was chosen. */
  async list(options: ListBuildletsOptions = {}): Promise<ListedBuildlet[]> {
    const { list } = await import('./list.ts');
    return await this.backends.call(options, (signal) =>
      list(this.backends, { ...options, signal }),
    );
  }

  /**
   * The buildlet of that name. It is not destroyed at the end of its scope.
   *
   * @param name `NAME`, `BACKEND/NAME`, or an address: `TYPE@HOST[:PORT]`.
   * @throws GomoteError ERR_UNKNOWN_BUILDLET when it is known not to exist.
   */
  async get(name: string, options: CallOptions = {}): Promise<Buildlet> {
    checkText('the name', name);
    if (isAddress(name)) return await this.#direct(name);
    return await this.backends.call(options, () =>
      this.withInstance(
        name,
        (backend, instance) => this.#connect(name, backend, instance, options, false),
        options,
      ),
    );
  }

  /** Destroys the buildlet and everything that belongs to it. Throws ERR_UNKNOWN_BUILDLET when it does not exist. */
  async destroy(name: string, options: CallOptions = {}): Promise<void> {
    checkText('the name', name);
    if (isAddress(name)) {
      const buildlet = await this.get(name, options);
      try {
        return await buildlet.destroy(options);
      } finally {
        await buildlet.disconnect();
      }
    }
    await this.backends.call(options, (signal) =>
      this.withInstance(name, (backend, instance) => backend.destroy(instance, { signal })),
    );
  }

  /** Closes the connections to all buildlets, which keep running. Later calls fail with ERR_CLOSED. */
  async close(): Promise<void> {
    this.backends.close();
    await Promise.all([...this.#used].map((buildlet) => buildlet.disconnect()));
  }

  /** As {@link close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Calls `work` with the backend of the name, and suggests a similar name if there is no such buildlet.
   *
   * @internal
   */
  async withInstance<T>(
    name: string,
    work: (backend: AnyBackend, instance: string) => Promise<T>,
    options: CallOptions = {},
  ): Promise<T> {
    const { backend: backendName, instance } = splitName(name);
    const backend = await this.backends.open(backendName);
    const signal = this.backends.signalOf(options);
    // A coordinator reports an unknown buildlet only at the first request.
    const isAsked = backend.whoAmI === undefined;
    const first = isAsked ? instance : await findByLabel(backend, instance, signal);
    try {
      return await work(backend, first ?? instance);
    } catch (error) {
      if (!isAsked || !isGomoteError(error, 'ERR_UNKNOWN_BUILDLET')) {
        throw await this.#suggesting(error, name, signal);
      }
      const other = await findByLabel(backend, instance, signal);
      if (other === undefined) throw await this.#suggesting(error, name, signal);
      return await work(backend, other);
    }
  }

  /** Adds a suggestion to the error for an unknown buildlet; returns other errors unchanged. */
  async #suggesting<E>(error: E, name: string, signal: AbortSignal): Promise<E | GomoteError> {
    if (!isGomoteError(error, 'ERR_UNKNOWN_BUILDLET')) return error;
    const { withSuggestion } = await import('./suggest-buildlet.ts');
    return await withSuggestion(error, name, this.backends, signal);
  }

  async #opened(parts: Omit<BuildletParts, 'backends'>): Promise<Buildlet> {
    // It may have been closed meanwhile.
    try {
      this.backends.checkOpen();
    } catch (error) {
      await parts.release();
      throw error;
    }
    const release = async () => {
      this.#used.delete(buildlet);
      await parts.release();
    };
    const buildlet = new Buildlet({ ...parts, backends: this.backends, release });
    this.#used.add(buildlet);
    return buildlet;
  }

  async #connect(
    name: string,
    backend: AnyBackend,
    instance: Instance['name'],
    options: CallOptions,
    isOwn: boolean,
  ): Promise<Buildlet> {
    const call = { signal: this.backends.signalOf(options) };
    const { catalogue } = await this.backends.config();
    const builder =
      builderTypeOfName(catalogue, instance) ?? (await backend.builderOf?.(instance, call));
    const client = await backend.connect(instance, call);
    const stopRenewal = await this.#renewWhileUsed(backend, instance);
    return await this.#opened({
      ...{ name, client, builder, isOwn },
      explain: async (error) => {
        const explained = (await backend.explain?.(instance, error)) ?? error;
        return await this.#suggesting(explained, name, call.signal);
      },
      destroy: (signal) => backend.destroy(instance, { signal }),
      release: async () => void (await Promise.all([client.disconnect(), stopRenewal?.()])),
    });
  }

  async #renewWhileUsed(backend: AnyBackend, instance: string) {
    if (backend.renew === undefined) return undefined;
    const { startRenewal } = await import('../backends/renewal.ts');
    const { log } = this.backends.settings;
    return startRenewal(
      async (call) => await backend.renew?.(instance, call),
      { signal: this.backends.signalOf() },
      (error) => log?.(`${instance} was not renewed: ${messageOf(error)}`),
    );
  }

  async #direct(name: string): Promise<Buildlet> {
    this.backends.checkOpen();
    const { passwordFile, log } = this.backends.settings;
    const { readSecretLine } = await import('./config/account.ts');
    const password =
      passwordFile === undefined ? '' : readSecretLine('password file', passwordFile);
    const host = name.slice(name.indexOf('@') + 1);
    const { BuildletClient } = await import('../client/buildlet-client.ts');
    const client = new BuildletClient(host, { password }, { name, onRequest: log });
    const { catalogue } = await this.backends.config();
    return await this.#opened({
      ...{ name, client, builder: builderTypeOfName(catalogue, name), isOwn: false },
      explain: async (error) => error,
      destroy: (signal) => client.halt({ signal }),
      release: () => client.disconnect(),
    });
  }
}
