// The backends of the configuration, each opened once, and whose buildlets they are to show.
import type { AnyBackend } from '../backends/backend.ts';
import type { BackendConfig } from '../backends/config.ts';
import type { CoordinatorSettings } from '../backends/coordinator/backend.ts';
import { openBackend } from '../backends/open.ts';
import { adHocHost } from '../backends/ssh/ad-hoc.ts';
import type { CallOptions } from '../client/client-options.ts';
import { didYouMean } from '../did-you-mean.ts';
import { GomoteError, untilAborted } from '../errors.ts';
import { anySignal } from '../timeout-signal.ts';
import { checkOptions, checkSignal } from './arguments.ts';
import { loadConfig } from './config/config.ts';
import { configDir } from './config/config-dir.ts';
import type { Config } from './config/config-file.ts';
import { type Settings, usualBackend } from './options.ts';

export class Backends {
  readonly settings: Settings;
  #config: Promise<Config> | undefined;
  #configDir: string | undefined;
  readonly #open: Map<string, Promise<AnyBackend>>;

  /** @param shared What has the configuration and open backends of the same options already. */
  constructor(settings: Settings, shared?: Backends) {
    this.settings = settings;
    this.#open = shared === undefined ? new Map() : shared.#open;
    if (shared === undefined) return;
    this.#config = shared.#config;
    this.#configDir = shared.#configDir;
  }

  /** What ends a call: the caller's signal, or that of all calls. */
  signalOf(options: CallOptions = {}): AbortSignal {
    checkOptions(options);
    const { signal } = options;
    checkSignal(signal);
    const given = [signal, this.settings.signal].filter((one) => one !== undefined);
    // One for each call, since Node warns of many listeners on a signal that is used for many.
    return anySignal(...given);
  }

  /** Does the work with the signal that ends it, which is then a failure with ERR_ABORTED. */
  async call<T>(options: CallOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const signal = this.signalOf(options);
    return await untilAborted(signal, () => work(signal));
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

  /** Whether one backend was asked for, and not only by the configuration. */
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

  /** How a buildlet is written so that every command finds it, whatever the options here. */
  async fullName(backend: string, instance: string): Promise<string> {
    const usual = usualBackend(this.settings.environment);
    return backend === (usual || (await this.config()).defaultBackend)
      ? instance
      : `${backend}/${instance}`;
  }

  /** Opens a backend, by default the chosen one. Throws ERR_CONFIG when it is not known. */
  async open(name?: string): Promise<AnyBackend> {
    const given = name ?? (await this.defaultName());
    // One host is one backend, however it is written.
    const chosen = adHocHost(given)?.name ?? given;
    const open = this.#open.get(chosen) ?? this.#openNew(chosen);
    this.#open.set(chosen, open);
    return await open;
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
   * What the client of a coordinator needs; undefined when the backend is none. Throws ERR_CONFIG without a token.
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
    const { typesPath } = await import('./config/logins.ts');
    const proxy = proxyOf(found.url, this.settings.environment);
    const typesFile = typesPath(this.configDir, found.name);
    return { ...found, ...(await this.#account(found)), proxy, typesFile };
  }

  async #account(
    backend: Extract<BackendConfig, { kind: 'coordinator' }>,
  ): Promise<{ user: string; token: string }> {
    const { readToken } = await import('./config/account.ts');
    const user = await this.user(backend.user);
    const isDefaultBackend = backend.name === (await this.config()).defaultBackend;
    const { name: backendName, tokenFile } = backend;
    const dir = this.configDir;
    return {
      user,
      token: readToken({ configDir: dir, user, backendName, isDefaultBackend, tokenFile }),
    };
  }

  /** The user that was named, if one was: all local buildlets are this machine's user's, whatever name they were made under. */
  async #givenUser(): Promise<string | undefined> {
    const given = this.settings.user ?? (await this.config()).user;
    return given === undefined ? undefined : await this.user();
  }

  /** Whose buildlets these are; a backend may know its user by another name. */
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
