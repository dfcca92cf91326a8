// The client of a coordinator: creates and lists buildlets, and returns clients that are relayed by it.
import { setTimeout as sleep } from 'node:timers/promises';
import { GomoteError, isStatus } from '../errors.ts';
import { listReplyBytes } from '../http/client/request.ts';
import type { ServerAddress } from '../http/client/server-address.ts';
import type { MachineRecord } from '../protocol/coordinator.ts';
import type {
  DeviceLogin,
  RemoteBuildlet,
  RemoteTypes,
  SignedIn,
} from '../protocol/coordinator-replies.ts';
import { coordinatorPaths } from '../protocol/endpoints.ts';
import { withQuery } from '../protocol/form.ts';
import { ownSignal } from '../timeout-signal.ts';
import { hostPort, parseAddress } from './address.ts';
import { BuildletClient, type BuildletClientOptions, type CallOptions } from './buildlet-client.ts';
import { type CallRequest, Connection } from './connection.ts';
import type {
  CoordinatorClientOptions,
  ListOptions,
  TypesOptions,
  UserPass,
} from './coordinator-options.ts';
import type { CoordinatorSnapshots } from './coordinator-snapshots.ts';
import type { Created, CreatedAll, CreateOptions } from './create-buildlet.ts';
import { checkedDurationMs, headersLimitMs } from './time-limit.ts';

/**
 * Calls a build coordinator. The constructor returns at once and tests neither address nor token.
 *
 * Each call can fail with ERR_CONNECT (no connection), ERR_CERTIFICATE, ERR_UNAUTHORIZED (the token), and with what the
 * coordinator refuses: a `StatusError` with its code, else ERR_STATUS.
 *
 * @example
 * const auth = { username: 'user-me', password: token };
 * await using coordinator = new CoordinatorClient({ auth, instance: 'build.example.com' });
 * const client = await coordinator.createBuildlet('linux-amd64');
 * await coordinator.extend(client.remoteName, 3_600_000);
 *
 * @example
 * for (const { name } of await coordinator.remoteBuildlets()) await coordinator.namedBuildlet(name).close();
 * const { buildlet } = await coordinator.request('linux-amd64');
 * const { expires } = await coordinator.requestBuildlet('linux-amd64');
 * const all = await coordinator.requestAll('linux-amd64', 4);
 *
 * @example
 * const { catalogue } = (await coordinator.types()) ?? {};
 * const skewMs = Number(await coordinator.clock()) - Date.now();
 * const signedIn = await coordinator.signIn(({ url }) => console.log(`Open ${url}`));
 * for (const { machine } of await coordinator.machines()) await coordinator.drain(machine, 'new disk');
 * await coordinator.undrain('mac-1');
 * await (await coordinator.snapshots())?.remove('old');
 * await coordinator.disconnect();
 */
export class CoordinatorClient implements AsyncDisposable {
  readonly #options: CoordinatorClientOptions;
  readonly #address: ServerAddress;
  readonly #connection: Connection;

  /** @throws GomoteError ERR_USAGE when the instance's address cannot be read. */
  constructor(options: CoordinatorClientOptions) {
    const { instance, auth } = options;
    this.#options = options;
    this.#address = typeof instance === 'string' ? parseAddress(instance, true) : instance;
    this.#connection = new Connection({
      address: this.#address,
      label: hostPort(this.#address),
      authUser: auth.username,
      password: auth.password,
      remoteName: '',
      dispatcher: options.dispatcher,
      heartbeatIntervalMs: undefined,
      onRequest: options.onRequest,
    });
  }

  /** Who calls, with the token: a secret. */
  get auth(): UserPass {
    return this.#options.auth;
  }

  /** The coordinator's address, as given. */
  get instance(): string | ServerAddress {
    return this.#options.instance;
  }

  /** `HOST:PORT` of the coordinator. */
  get ipPort(): string {
    return hostPort(this.#address);
  }

  /**
   * Creates a buildlet, whose commands get the environment and PATH of its builder type. It may take minutes, and
   * cancelling the call cancels the creation. The buildlet may expire at any time; end it with its client's `close`.
   */
  async createBuildlet(builderType: string, options: CreateOptions = {}): Promise<BuildletClient> {
    const { buildlet, builder } = await this.request(builderType, options);
    const { env, path } = builder ?? {};
    return this.namedBuildlet(buildlet.name, { env, path });
  }

  /** Like `createBuildlet`, but returns the coordinator's record. */
  async requestBuildlet(builderType: string, options: CreateOptions = {}): Promise<RemoteBuildlet> {
    return (await this.request(builderType, options)).buildlet;
  }

  /** Like `requestBuildlet`, with the builder type if the coordinator sends it. */
  async request(builderType: string, options: CreateOptions = {}): Promise<Created> {
    const { createBuildlet } = await import('./create-buildlet.ts');
    return await createBuildlet(this.#connection, builderType, options);
  }

  /**
   * Like `request`, for several buildlets, all or none, with one place in the coordinator's queue. Undefined from a
   * coordinator that does not support it.
   */
  async requestAll(
    builderType: string,
    count: number,
    options: CreateOptions = {},
  ): Promise<CreatedAll | undefined> {
    const { createCountFeature } = await import('../protocol/coordinator.ts');
    const types = await this.types({ signal: options.signal });
    if (types?.features.includes(createCountFeature) !== true) return undefined;
    const { createBuildlets } = await import('./create-buildlet.ts');
    return await createBuildlets(this.#connection, builderType, count, options);
  }

  /** The caller's own buildlets, sorted by name. */
  async remoteBuildlets(options: ListOptions = {}): Promise<RemoteBuildlet[]> {
    const all = options.everybody === true ? '1' : undefined;
    const health = options.health === true ? '1' : undefined;
    const path = withQuery(coordinatorPaths.list, { health, all });
    const request = { method: 'GET', path, signal: options.signal } as const;
    return await this.#ask(request, (replies) => replies.parseRemoteBuildlets);
  }

  /** The catalogue and the caller's user; undefined from a coordinator that does not send them. */
  async types(options: TypesOptions = {}): Promise<RemoteTypes | undefined> {
    const signIn = options.signIn === true ? '1' : undefined;
    const path = withQuery(coordinatorPaths.types, { 'sign-in': signIn });
    const request = { method: 'GET', path, signal: options.signal } as const;
    return await this.#ask(request, (replies) => replies.parseTypes).catch(undefinedIfUnknown);
  }

  /** The coordinator's time, to the second; undefined when it, or a proxy, does not send it. */
  async clock(options: CallOptions = {}): Promise<Date | undefined> {
    const signal = this.#connection.signalWith(options.signal);
    const path = coordinatorPaths.types;
    const { headers, body } = await this.#connection.call({
      ...{ method: 'GET', path, signal, headersTimeoutMs: headersLimitMs },
      // An error reply has it too.
      anyStatus: true,
    });
    body.destroy();
    const timeMs = Date.parse(String(headers.date));
    return Number.isNaN(timeMs) ? undefined : new Date(timeMs);
  }

  /** Extends a buildlet's life by this time from now, as far as the coordinator allows. */
  async extend(name: string, byMs: number, options: CallOptions = {}): Promise<RemoteBuildlet> {
    const path = coordinatorPaths.extend;
    const duration = `${Math.ceil(checkedDurationMs('byMs', byMs) ?? 0)}ms`;
    const request = { method: 'POST', path, form: { name, duration }, ...options } as const;
    return await this.#ask(request, (replies) => replies.parseRemoteBuildlet);
  }

  /**
   * Signs in by the coordinator's provider: `onDevice` gets the page that the user must open in a browser, and the call
   * waits for that. The client's own credentials are not used. Undefined from a coordinator without a provider.
   */
  async signIn(
    onDevice: (login: DeviceLogin) => void,
    { signal }: CallOptions = {},
  ): Promise<SignedIn | undefined> {
    const request = { method: 'POST', path: coordinatorPaths.device, signal } as const;
    const login = await this.#ask(
      { ...request, form: {} },
      (replies) => replies.parseDeviceLogin,
    ).catch(undefinedIfUnknown);
    if (login === undefined) return undefined;
    onDevice(login);
    for (;;) {
      await sleep(login.intervalMs, undefined, { signal: signal && ownSignal(signal) });
      const poll = { ...request, form: { id: login.id } };
      const state = await this.#ask(poll, (replies) => replies.parseDeviceState);
      if (state !== 'pending') return state;
    }
  }

  /** The snapshots that it keeps; undefined from a coordinator that keeps none. */
  async snapshots(options: CallOptions = {}): Promise<CoordinatorSnapshots | undefined> {
    const { openSnapshots } = await import('./coordinator-snapshots.ts');
    return openSnapshots(this.#connection, (await this.types(options))?.features);
  }

  /** The machines of all pools, for an admin. */
  async machines(options: CallOptions = {}): Promise<MachineRecord[]> {
    const request = { method: 'GET', path: coordinatorPaths.machines, ...options } as const;
    return await this.#ask(request, (replies) => replies.parseMachines);
  }

  /** Takes a machine of a static or reverse pool out of use; its current session continues. For an admin. */
  async drain(machine: string, note: string, options: CallOptions = {}): Promise<MachineRecord> {
    return await this.#change(coordinatorPaths.drain, { machine, note }, options);
  }

  /** Returns a drained machine to service. For an admin. */
  async undrain(machine: string, options: CallOptions = {}): Promise<MachineRecord> {
    return await this.#change(coordinatorPaths.undrain, { machine }, options);
  }

  async #change(
    path: string,
    form: Record<string, string>,
    options: CallOptions,
  ): Promise<MachineRecord> {
    const request = { method: 'POST', path, form, ...options } as const;
    return await this.#ask(request, (replies) => replies.parseMachine);
  }

  /**
   * A client of the buildlet of that name; the name is checked by the first call.
   *
   * @param defaults The defaults of every command: `createBuildlet` uses those of the builder type. Default: none.
   */
  namedBuildlet(
    name: string,
    defaults: Pick<BuildletClientOptions, 'env' | 'path'> = {},
  ): BuildletClient {
    const { auth, dispatcher, onRequest } = this.#options;
    return new BuildletClient(
      this.#address,
      { password: auth.password },
      {
        ...defaults,
        name,
        remoteName: name,
        authUser: auth.username,
        description: `(${name}, through ${this.ipPort})`,
        dispatcher,
        onRequest,
      },
    );
  }

  /** Closes the connections; pending calls fail with ERR_CLOSED. Buildlets and their clients are not affected. */
  async disconnect(): Promise<void> {
    this.#connection.fail(new GomoteError('ERR_CLOSED', `the client of ${this.ipPort} was closed`));
    await this.#connection.destroy();
  }

  /** As {@link disconnect}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect();
  }

  /** Sends a request, and reads its reply by the parser. */
  async #ask<T>(
    request: CallRequest,
    parserIn: (replies: Replies) => (body: string) => T | undefined,
  ): Promise<T> {
    const limited = { headersTimeoutMs: headersLimitMs, ...request };
    const body = await this.#connection.callText(limited, listReplyBytes);
    const parse = parserIn(await import('../protocol/coordinator-replies.ts'));
    const [path] = request.path.split('?', 1);
    return parse(body) ?? this.#connection.badReply(`bad reply of ${path}`, body);
  }
}

type Replies = typeof import('../protocol/coordinator-replies.ts');

/** Nothing, from a coordinator without the extension. */
function undefinedIfUnknown(error: unknown): undefined {
  if (isStatus(error, 404)) return undefined;
  throw error;
}
