// Buildlets on hosts that the user reaches by ssh: processes of that account, like local ones here.
import { type BuilderType, overridden } from '../../builders.ts';
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, isConnectionError, isGomoteError } from '../../errors.ts';
import { timeoutSignal } from '../../timeout-signal.ts';
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
  ListCall,
  PartsCall,
  Prompts,
  RequestLog,
} from '../backend.ts';
import { deadBuildlet, unknownBuildlet } from '../buildlet-errors.ts';
import { storeBytesOf } from '../machine-store.ts';
import type { Choice, HostChooser } from './choose-host.ts';
import type { SshConfig } from './config.ts';
import { Connections, type SshConnection } from './connections.ts';
import type { FoundBuildlet } from './messages.ts';
import { Routes } from './routes.ts';
import type { SshHost } from './ssh-host.ts';

export interface SshSettings extends SshConfig, BackendContext {}

/** The time limit for finding the reason of a lost connection, in ms. */
const explainMs = 15_000;

export class SshBackend implements Backend, CacheKeeper, KnownNames, Diagnosis, Cleanup, Prompts {
  readonly name: string;
  readonly #settings: SshSettings;
  readonly #connections: Connections;
  readonly #routes: Routes;
  #chooser: Promise<HostChooser> | undefined;
  readonly #hosts = new Map<string, Promise<SshHost>>();

  constructor(settings: SshSettings, onRequest: RequestLog) {
    this.name = settings.name;
    this.#settings = settings;
    this.#connections = new Connections(settings.name, settings.environment);
    this.#routes = new Routes({
      onRequest,
      hostOf: (text) => this.#host(text),
      diagnose: (connection) => this.#diagnose(connection),
    });
  }

  /** The code that talks to a host loads on demand: most commands use an existing socket. */
  #host(text: string): Promise<SshHost> {
    const { environment, sshConfig } = this.#settings;
    const host =
      this.#hosts.get(text) ??
      import('./ssh-host.ts').then(({ openHost }) => openHost(text, sshConfig, environment));
    this.#hosts.set(text, host);
    return host;
  }

  async #all(): Promise<SshHost[]> {
    return await Promise.all(this.#settings.hosts.map((text) => this.#host(text)));
  }

  async answerPrompts({ signal, onHost }: BackendCall & { onHost?: string | undefined }) {
    const { canAsk } = await import('./link.ts');
    if (!canAsk(this.#settings.environment)) return;
    const hosts = onHost === undefined ? await this.#all() : [await this.#picked(onHost)];
    // One at a time, because they share the terminal. Commands that need the host report its error.
    for (const host of hosts) await host.link.open(signal).catch(() => signal.throwIfAborted());
  }

  async #picked(onHost: string): Promise<SshHost> {
    const { hosts } = this.#settings;
    const found = hosts.find((text) => text === onHost || text.split('@').at(-1) === onHost);
    if (found !== undefined) return await this.#host(found);
    throw new GomoteError('ERR_USAGE', `backend "${this.name}" has no host "${onHost}"`, {
      hint: `hosts are: ${hosts.join(', ')}`,
    });
  }

  async create(builder: BuilderType, call: CreateCall): Promise<Instance> {
    const picked = call.onHost === undefined ? undefined : await this.#picked(call.onHost);
    const stem = `${call.user}-${builder.name}`;
    this.#chooser ??= import('./choose-host.ts').then(({ HostChooser }) => new HostChooser());
    const chooser = await this.#chooser;
    const options = { hosts: await this.#all(), picked, stem, call };
    return await chooser.withHost(options, ({ host, number }) =>
      this.#createOn(host, builder, call, number),
    );
  }

  async #createOn(
    host: SshHost,
    builder: BuilderType,
    call: CreateCall,
    number: Choice['number'],
  ): Promise<Instance> {
    const { name, hostType, env, path } = builder;
    const inheritEnv = call.host.inheritEnv === true || this.#settings.inheritEnv === true;
    const machine = overridden(this.#settings.defaults, call.host.local);
    call.onProgress?.(`on ${host.text}`);
    return await host.create(
      {
        op: 'create',
        builder: { name, hostType, env, path },
        host: { name: call.host.name, inheritEnv, local: machine, caches: call.host.caches },
        ...{
          user: call.user,
          cacheOwner: call.cacheOwner,
          storeBytes: storeBytesOf(this.#settings, call),
          number,
          holdMs: call.holdMs,
          labels: call.labels,
        },
      },
      call,
      async (made) => {
        this.#connections.write(await this.#routes.find(host, made, call.signal));
        return instanceOf(made.instance);
      },
    );
  }

  async list(call: ListCall): Promise<Instance[]> {
    const { user } = this.#settings;
    const found = await this.#fromAll(call, async (host) => {
      const ofHost = await host.ask({ op: 'list', user }, call);
      this.#forgetAllBut(ofHost, host);
      return ofHost;
    });
    return found.map(instanceOf);
  }

  /** What the hosts answer, together. */
  async #fromAll<T>(call: PartsCall, ask: (host: SshHost) => Promise<T[]>): Promise<T[]> {
    const { askAll } = await import('./ask-all.ts');
    return (await askAll(await this.#all(), call, ask)).flat();
  }

  /** The buildlets that this machine has reached: asking the hosts may be slow and need a password. */
  knownNames(): { name: string; about: string }[] {
    return this.#connections.all().map(({ name, host }) => ({ name, about: host }));
  }

  /** Forgets the connections of buildlets that are no longer on the host. */
  #forgetAllBut(found: readonly { readonly name: string }[], { text }: SshHost): void {
    const names = new Set(found.map(({ name }) => name));
    for (const { name, host } of this.#connections.all()) {
      if (host === text && !names.has(name)) this.#connections.forget(name);
    }
  }

  async connect(name: string, call?: BackendCall): Promise<BuildletClient> {
    const signal = call?.signal ?? new AbortController().signal;
    const known = this.#known(name);
    if (known !== undefined) {
      await this.#routes.prepare(known, signal);
      return this.#routes.client(known);
    }
    const { host, found } = await this.#find(name, signal);
    const connection = await this.#routes.find(host, found, signal);
    this.#connections.write(connection);
    return this.#routes.client(connection);
  }

  #known(name: string): SshConnection | undefined {
    const { user, hosts } = this.#settings;
    const known = this.#connections.read(name);
    const isOurs = user === undefined || known?.owner === user;
    return known !== undefined && isOurs && hosts.includes(known.host) ? known : undefined;
  }

  /** The host that has the buildlet. */
  async #find(name: string, signal: AbortSignal): Promise<{ host: SshHost; found: FoundBuildlet }> {
    const { user, hosts } = this.#settings;
    const { askEach } = await import('./ask-all.ts');
    const { answers, failures } = await askEach(await this.#all(), signal, async (host) => ({
      host,
      found: await host.ask({ op: 'find', name, user }, { signal }),
    }));
    const [one, another] = answers;
    if (one === undefined) {
      throw failures.find((error) => !isUnknown(error)) ?? unknown(name, hosts);
    }
    if (another === undefined) return one;
    const message = `both ${one.host.text} and ${another.host.text} have a buildlet "${name}"`;
    throw new GomoteError('ERR_CONFLICT', message, {
      hint: `name the host: ssh:${one.host.text}/${name}`,
    });
  }

  async destroy(name: string, { signal }: BackendCall): Promise<void> {
    const { user, hosts } = this.#settings;
    const known = this.#known(name);
    const where = known === undefined ? await this.#find(name, signal) : undefined;
    const host = where?.host ?? (await this.#host(known?.host ?? ''));
    try {
      await host.ask({ op: 'destroy', name, user }, { signal });
    } catch (error) {
      if (!isUnknown(error)) throw error;
      this.#connections.forget(name);
      throw unknown(name, hosts, error);
    }
    this.#connections.forget(name);
    await host.link.unforward(known?.socket ?? where?.found.socket ?? '');
  }

  async reap(call: PartsCall): Promise<string[]> {
    const several = this.#settings.hosts.length > 1;
    return await this.#fromAll(call, async (host) => {
      const lines = await host.ask({ op: 'reap' }, call);
      return lines.map((line) => (several ? `${host.text}: ${line}` : line));
    });
  }

  async caches(call: PartsCall): Promise<KeptCache[]> {
    const { user } = this.#settings;
    return await this.#fromAll(call, async (host) => {
      const found = await host.ask({ op: 'caches', user }, call);
      return found.map((cache): KeptCache => ({ ...cache, machine: host.text }));
    });
  }

  async purgeCache(name: string, call: PartsCall): Promise<boolean> {
    const { user } = this.#settings;
    const { askEach } = await import('./ask-all.ts');
    const { answers, failures } = await askEach(await this.#all(), call.signal, (host) =>
      host.ask({ op: 'purge-cache', name, user }, call),
    );
    for (const failure of failures) {
      if (call.onFailure === undefined || failure.code === 'ERR_CONFLICT') throw failure;
      call.onFailure(failure);
    }
    return answers.includes(true);
  }

  async explain(name: string, error: GomoteError): Promise<GomoteError> {
    const isLoss = isConnectionError(error) || error.code === 'ERR_UNAUTHORIZED';
    const known = isLoss ? this.#connections.read(name) : undefined;
    if (known === undefined) return error;
    // The next command asks the host.
    this.#connections.forget(name);
    const reason = await this.#diagnose(known, error).catch((why: unknown) =>
      isGomoteError(why) && why.message.startsWith(`${known.host}: `) ? why : undefined,
    );
    return reason ?? error;
  }

  /** Why the buildlet will never answer again, if the host reports it. */
  async #diagnose(
    { name, host: text }: SshConnection,
    cause?: GomoteError,
  ): Promise<GomoteError | undefined> {
    const { user } = this.#settings;
    try {
      const call = { signal: timeoutSignal(explainMs) };
      const { instance } = await (await this.#host(text)).ask({ op: 'find', name, user }, call);
      const message = `the buildlet "${name}" on ${text} has died`;
      return instance.dead === 'died' ? deadBuildlet(name, message, cause) : undefined;
    } catch (error) {
      if (isUnknown(error)) return unknown(name, [text], cause);
      throw error;
    }
  }
}

const instanceOf = (found: FoundBuildlet['instance']): Instance => ({
  ...found,
  created: found.created,
  expires: found.expires,
  dead: found.dead,
});

const isUnknown = (error: unknown): boolean => isGomoteError(error, 'ERR_UNKNOWN_BUILDLET');

const unknown = (name: string, hosts: readonly string[], cause?: unknown): GomoteError =>
  unknownBuildlet(`no buildlet "${name}" on ${hosts.join(', ')}`, cause);
