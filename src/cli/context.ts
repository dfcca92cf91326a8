// What every command uses: global options, the configuration, backends and buildlets.
import type { AnyBackend, RequestLog } from '../backends/backend.ts';
import type { BackendConfig } from '../backends/config.ts';
import { openBackend } from '../backends/open.ts';
import { adHocHost } from '../backends/ssh/ad-hoc.ts';
import { type BuilderType, builderTypeOfName } from '../builders.ts';
import type { BuildletClient } from '../client/buildlet-client.ts';
import { didYouMean } from '../did-you-mean.ts';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { isAddress, splitName } from './buildlet-name.ts';
import { loadConfig } from './config/config.ts';
import { configDir } from './config/config-dir.ts';
import type { Config } from './config/config-file.ts';
import type { GlobalOptions } from './global-options.ts';
import type { Interrupts } from './interrupts.ts';
import { createMessages, type Messages, type Terminal } from './terminal/terminal.ts';

/** A buildlet as the command line names it. */
export interface NamedBuildlet {
  /** As given. */
  readonly name: string;
  readonly client: BuildletClient;
  /** Known when the catalogue has its type. */
  readonly builder: BuilderType | undefined;
  /** Why a call to it failed, in plainer words than the connection's. */
  readonly explain: (error: GomoteError) => Promise<GomoteError>;
}

export class Context {
  readonly terminal: Terminal;
  readonly interrupts: Interrupts;
  /** What the process ends with when nothing fails. */
  exitCode = 0;
  /** Whether the command stands for a remote one, as `run` does: its exit codes below 125 are that command's. */
  isRun = false;
  #globals: GlobalOptions = {};
  #config: Promise<Config> | undefined;
  #configDir: string | undefined;
  readonly #backends = new Map<string, Promise<AnyBackend>>();

  constructor(terminal: Terminal, interrupts: Interrupts) {
    this.terminal = terminal;
    this.interrupts = interrupts;
  }

  /** Aborts on Ctrl-C and the like. */
  get signal(): AbortSignal {
    return this.interrupts.signal;
  }

  /** Takes the options as given; `GOMOTE_*` variables stand in for those that were not. */
  set globals(given: GlobalOptions) {
    const { environment } = this.terminal;
    const flag = (name: string) => isSet(environment[name]);
    const backend = given.backend ?? (given.staging ? undefined : environment.GOMOTE_BACKEND);
    this.#globals = {
      ...given,
      ...optional('user', given.user ?? environment.GOMOTE_USER),
      ...optional('backend', backend),
      ...optional('passwordFile', given.passwordFile ?? environment.GOMOTE_PASSWORD_FILE),
      staging: given.staging ?? (given.backend === undefined && flag('GOMOTE_STAGING')),
      verbose: given.verbose ?? flag('GOMOTE_VERBOSE'),
      quiet: given.quiet ?? flag('GOMOTE_QUIET'),
      color: given.color !== false && !environment.NO_COLOR && !flag('GOMOTE_NO_COLOR'),
    };
    if (given.staging && given.backend !== undefined && given.backend !== 'staging') {
      throw new GomoteError('ERR_USAGE', `--staging and --backend ${given.backend} contradict`, {
        hint: 'give one of them',
      });
    }
  }

  get verbose(): boolean {
    return this.#globals.verbose === true;
  }

  get color(): boolean {
    return this.#globals.color === true;
  }

  get messages(): Messages {
    const { verbose, quiet, color } = this.#globals;
    return createMessages(this.terminal, {
      verbose: verbose === true,
      quiet: quiet === true,
      color: color === true,
    });
  }

  /** Where the configuration and the tokens are. */
  get configDir(): string {
    this.#configDir ??= configDir(this.terminal.environment, process.platform);
    return this.#configDir;
  }

  async config(): Promise<Config> {
    this.#config ??= loadConfig(this.configDir);
    return await this.#config;
  }

  /** Whether one backend was asked for, by option or variable, and not only by the configuration. */
  get isBackendGiven(): boolean {
    return this.#globals.staging === true || this.#globals.backend !== undefined;
  }

  /** The backend that names without one belong to. */
  async backendName(): Promise<string> {
    const given = this.#globals.staging ? 'staging' : this.#globals.backend;
    return given ?? (await this.config()).defaultBackend;
  }

  /** A backend's section of the configuration; undefined when there is none, nor can it be used without one. */
  async backendConfig(name: string): Promise<BackendConfig | undefined> {
    const found = (await this.config()).backends.get(name) ?? adHocHost(name);
    if (found !== undefined || name !== 'docker') return found;
    return (await import('../backends/docker/ad-hoc.ts')).dockerBackend;
  }

  /** How a buildlet is written so that every other command finds it, whatever the options of this one. */
  async fullName(backend: string, instance: string): Promise<string> {
    const { GOMOTE_BACKEND, GOMOTE_STAGING } = this.terminal.environment;
    const usual = isSet(GOMOTE_STAGING) ? 'staging' : GOMOTE_BACKEND;
    return backend === (usual || (await this.config()).defaultBackend)
      ? instance
      : `${backend}/${instance}`;
  }

  /** Opens a backend of the configuration, by default the chosen one. */
  async backend(name?: string): Promise<AnyBackend> {
    const given = name ?? (await this.backendName());
    // One host is one backend, however it is written.
    const chosen = adHocHost(given)?.name ?? given;
    const open = this.#backends.get(chosen) ?? this.#open(chosen);
    this.#backends.set(chosen, open);
    return await open;
  }

  async #open(name: string): Promise<AnyBackend> {
    const found = await this.backendConfig(name);
    if (found === undefined) {
      const names = [...(await this.config()).backends.keys()];
      const meant = didYouMean(name, names);
      throw new GomoteError('ERR_CONFIG', `unknown backend "${name}"`, {
        hint: meant ?? `backends are: ${names.join(', ')}; add [backends.${name}] to config.toml`,
      });
    }
    const { environment } = this.terminal;
    switch (found.kind) {
      case 'local':
        return await openBackend(
          { ...found, user: await this.#givenUser(), environment },
          this.#requestLog,
        );
      case 'coordinator': {
        const { proxyOf } = await import('../http/client/env-proxy.ts');
        const { typesPath } = await import('./config/logins.ts');
        return await openBackend(
          {
            ...found,
            ...(await this.#account(found)),
            proxy: proxyOf(found.url, environment),
            typesFile: typesPath(this.configDir, name),
          },
          this.#requestLog,
        );
      }
      default:
        return await openBackend(
          { ...found, user: await this.user(), environment },
          this.#requestLog,
        );
    }
  }

  get #requestLog(): RequestLog {
    return this.verbose ? (line) => this.messages.detail(`gomote: ${line}`) : undefined;
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
    const given = this.#globals.user ?? (await this.config()).user;
    return given === undefined ? undefined : await this.user();
  }

  /** Whose buildlets these are; a backend may know its user by another name. */
  async user(backendUser?: string): Promise<string> {
    const { resolveUser } = await import('./config/account.ts');
    return await resolveUser({
      env: this.terminal.environment,
      platform: process.platform,
      configDir: this.configDir,
      flagUser: this.#globals.user,
      configUser: backendUser ?? (await this.config()).user,
    });
  }

  /** Runs `work` on the buildlet `NAME`, `BACKEND/NAME` or `TYPE@HOST[:PORT]`, and tells its failure plainly. */
  async withBuildlet<T>(name: string, work: (buildlet: NamedBuildlet) => Promise<T>): Promise<T> {
    const { catalogue } = await this.config();
    const isDirect = isAddress(name);
    const named = builderTypeOfName(catalogue, isDirect ? name : splitName(name).instance);
    if (isDirect) return await this.#withDirect(name, named, work);
    return await this.withInstance(name, (backend, instance) =>
      this.#withConnected(name, named, backend, instance, work),
    );
  }

  /** Runs `work` on `NAME` or `BACKEND/NAME`, and suggests another name if there is none of that. */
  async withInstance<T>(
    name: string,
    work: (backend: AnyBackend, instance: string) => Promise<T>,
  ): Promise<T> {
    const { backend: backendName, instance } = splitName(name);
    const backend = await this.backend(backendName);
    try {
      return await work(backend, instance);
    } catch (error) {
      if (!isGomoteError(error, 'ERR_UNKNOWN_BUILDLET')) throw error;
      const { withSuggestion } = await import('./suggest-buildlet.ts');
      throw await withSuggestion(error, name, this);
    }
  }

  async #withConnected<T>(
    name: string,
    named: BuilderType | undefined,
    backend: AnyBackend,
    instance: string,
    work: (buildlet: NamedBuildlet) => Promise<T>,
  ): Promise<T> {
    const call = { signal: this.signal };
    const builder = named ?? (await backend.builderOf?.(instance, call));
    const client = await backend.connect(instance, call);
    const explain = async (error: GomoteError) =>
      (await backend.explain?.(instance, error)) ?? error;
    const stopRenewal = await this.#renewWhileUsed(backend, instance);
    try {
      return await work({ name, client, builder, explain });
    } catch (error) {
      throw error instanceof GomoteError ? await explain(error) : error;
    } finally {
      await Promise.all([client.disconnect(), stopRenewal?.()]);
    }
  }

  async #renewWhileUsed(backend: AnyBackend, name: string) {
    if (backend.renew === undefined) return undefined;
    const { startRenewal } = await import('../backends/renewal.ts');
    return startRenewal(
      async (call) => await backend.renew?.(name, call),
      { signal: this.signal },
      (error) => this.messages.detail(`gomote: ${name} was not renewed: ${messageOf(error)}`),
    );
  }

  async #withDirect<T>(
    name: string,
    builder: BuilderType | undefined,
    work: (buildlet: NamedBuildlet) => Promise<T>,
  ): Promise<T> {
    const { passwordFile } = this.#globals;
    const { readSecretLine } = await import('./config/account.ts');
    const password =
      passwordFile === undefined ? '' : readSecretLine('password file', passwordFile);
    const host = name.slice(name.indexOf('@') + 1);
    const { BuildletClient } = await import('../client/buildlet-client.ts');
    const client = new BuildletClient(host, { password }, { name, onRequest: this.#requestLog });
    try {
      return await work({ name, client, builder, explain: async (error) => error });
    } finally {
      await client.disconnect();
    }
  }
}

const isSet = (value = ''): boolean => ['1', 'true', 'yes'].includes(value);

const optional = <K extends string>(key: K, value: string | undefined): { [P in K]?: string } =>
  value ? ({ [key]: value } as { [P in K]?: string }) : {};
