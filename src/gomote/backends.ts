// The backends of the configuration, each opened once, for one user.
import type { AnyBackend } from '../backends/backend.ts';
import type { BackendConfig } from '../backends/config.ts';
import type { CoordinatorSettings } from '../backends/coordinator/backend.ts';
import { openBackend } from '../backends/open.ts';
import { adHocHost } from '../backends/ssh/ad-hoc.ts';
import type { Catalogue } from '../builders.ts';
import type { CallOptions } from '../client/client-options.ts';
import { didYouMean } from '../did-you-mean.ts';
import { checkSignal, GomoteError, untilAborted } from '../errors.ts';
import { ownFileError } from '../files/local-error.ts';
import { anySignal } from '../timeout-signal.ts';
import { checkOptions } from './arguments.ts';
import { configDir, loadConfig } from './config/config.ts';
import type { Config } from './config/config-file.ts';
import { type Settings, usualBackend } from './options.ts';

export class Backends {
  readonly settings: Settings;
  #isClosed = false;
  #config: Promise<Config> | undefined;
  #configDir: string | undefined;
  readonly #open: Map<string, Promise<AnyBackend>>;

  /** @param shared An instance with the same options, whose configuration and open backends are shared. */
  constructor(settings: Settings, shared?: Backends) {
    this.settings = settings;
    this.#open = shared === undefined ? new Map() : shared.#open;
    if (shared === undefined) return;
    this.#config = shared.#config;
    this.#configDir = shared.#configDir;
  }

  /** The signal of a call: the caller's, combined with that of all calls. */
  signalOf(options: CallOptions = {}): AbortSignal {
    checkOptions(options);
    const { signal } = options;
    checkSignal(signal);
    // One for each call: Node warns about many listeners on one signal.
    return anySignal(signal, this.settings.signal);
  }

  /** Runs the work with a signal. Fails with ERR_ABORTED when it aborts. */
  async call<T>(options: CallOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = this.signalOf(options);
    try {
      return await untilAborted(signal, () => work(signal));
    } catch (error) {
      throw ownFileError(error);
    }
  }

  /** The directory of the configuration and the tokens. */
  get configDir(): string {
    const { config, environment } = this.settings;
    this.#configDir ??= configDir(
      config === undefined ? environment : { ...environment, GOMOTE_CONFIG_DIR: config },
      process.platform,
    );
    return this.#configDir;
  }

  /** @internal */
  async config(): Promise<Config> {
    this.#config ??= loadConfig(this.configDir);
    return await this.#config;
  }

  /** Whether a backend was chosen explicitly, not only by the configuration. */
  get isGiven(): boolean {
    return this.settings.backend !== undefined;
  }

  /** The backend of names without a prefix. */
  async defaultName(): Promise<string> {
    return this.settings.backend ?? (await this.config()).defaultBackend;
  }

  /**
   * A backend's section of the configuration; undefined when it has none and needs one.
   *
   * @internal
   */
  async configOf(name: string): Promise<BackendConfig | undefined> {
    const found = (await this.config()).backends.get(name) ?? adHocHost(name);
    if (found !== undefined || name !== 'docker') return found;
    return (await import('../backends/docker/ad-hoc.ts')).dockerBackend;
  }

  /** The types of the backend: its own, else those of the configuration. @internal */
  async catalogueOf(backend: AnyBackend, signal: AbortSignal): Promise<Catalogue> {
    return (await backend.types?.({ signal })) ?? (await this.config()).catalogue;
  }

  /** The name under which any command finds the buildlet, whatever the options here. */
  async fullName(backend: string, instance: string): Promise<string> {
    const usual = usualBackend(this.settings.environment);
    return backend === (usual || (await this.config()).defaultBackend)
      ? instance
      : `${backend}/${instance}`;
  }

  /** Refuses to open another backend or buildlet from now on. */
  close(): void {
    this.#isClosed = true;
  }

  /** Throws ERR_CLOSED after {@link close}. */
  checkOpen(): void {
    if (this.#isClosed) throw new GomoteError('ERR_CLOSED', 'this Gomote was closed');
  }

  /** Opens a backend. Default: the chosen one. Throws ERR_CONFIG when it is unknown, ERR_CLOSED after {@link close}. */
  async open(name?: string): Promise<AnyBackend> {
    this.checkOpen();
    const given = name ?? (await this.defaultName());
    // One host is one backend, in whatever form it is typed.
    const chosen = adHocHost(given)?.name ?? given;
    const open = this.#open.get(chosen) ?? this.#openNew(chosen);
    this.#open.set(chosen, open);
    try {
      return await open;
    } catch (error) {
      // What was missing, such as a token, may be there the next time.
      if (this.#open.get(chosen) === open) this.#open.delete(chosen);
      throw error;
    }
  }

  async #openNew(name: string): Promise<AnyBackend> {
    const found = await this.configOf(name);
    if (found === undefined) {
      const names = [...(await this.config()).backends.keys()];
      const meant = didYouMean(name, names);
      throw new GomoteError('ERR_CONFIG', `unknown backend "${name}"`, {
        hint: meant ?? `backends are: ${names.join(', ')}; add [backends.${name}] to config.toml`,
      });
    }
    const { environment, log } = this.settings;
    switch (found.kind) {
      case 'local':
        return await openBackend({ ...found, user: await this.#givenUser(), environment }, log);
      case 'coordinator':
        return await openBackend(await this.#coordinatorSettings(found), log);
      default:
        return await openBackend({ ...found, user: await this.user(), environment }, log);
    }
  }

  /**
   * The arguments for a coordinator's client; undefined when the backend is not a coordinator. Throws ERR_CONFIG without a token.
   *
   * @internal
   */
  async coordinatorSettings(name: string): Promise<CoordinatorSettings | undefined> {
    const found = await this.configOf(name);
    return found?.kind === 'coordinator' ? await this.#coordinatorSettings(found) : undefined;
  }

  async #coordinatorSettings(
    found: Extract<BackendConfig, { kind: 'coordinator' }>,
  ): Promise<Extract<BackendConfig, { kind: 'coordinator' }> & CoordinatorSettings> {
    const { proxyOf } = await import('../http/client/env-proxy.ts');
    const { readToken } = await import('./config/account.ts');
    const { typesPath } = await import('./config/logins.ts');
    const { name: backendName, url, tokenFile } = found;
    const { configDir } = this;
    const user = await this.user(found.user);
    const isDefaultBackend = backendName === (await this.config()).defaultBackend;
    return {
      ...found,
      user,
      token: readToken({ configDir, user, backendName, isDefaultBackend, tokenFile }),
      proxy: proxyOf(url, this.settings.environment),
      typesFile: typesPath(configDir, backendName),
    };
  }

  /** The explicitly given user, if any: local buildlets belong to this machine's user, whatever name they were created under. */
  async #givenUser(): Promise<string | undefined> {
    const given = this.settings.user ?? (await this.config()).user;
    return given === undefined ? undefined : await this.user();
  }

  /** The owner of the buildlets; a backend may use another name for the user. */
  async user(backendUser?: string): Promise<string> {
    const { resolveUser } = await import('./config/account.ts');
    return await resolveUser({
      env: this.settings.environment,
      platform: process.platform,
      configDir: this.configDir,
      flagUser: this.settings.user,
      configUser: backendUser ?? (await this.config()).user,
    });
  }
}
