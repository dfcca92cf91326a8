// What all calls to one buildlet share: credentials, heartbeat, and the state closed or broken.
import { setMaxListeners } from 'node:events';
import type { Dispatcher } from 'undici';
import { type GomoteError, StatusError } from '../errors.ts';
import { type LightSender, lightSender } from '../http/light-request.ts';
import type { RelayTarget } from '../http/proxy.ts';
import {
  createDispatcher,
  type HttpReply,
  type HttpRequest,
  type HttpResponse,
  originOf,
  readText,
  type ServerAddress,
  send,
  transportError,
} from '../http/request.ts';
import { endpoints, proxyHeader } from '../protocol/endpoints.ts';
import { startHeartbeat } from './heartbeat.ts';

export interface ConnectionOptions {
  readonly address: ServerAddress;
  /** What the peer is called in messages. */
  readonly label: string;
  readonly authUser: string;
  /** Empty: no credentials are sent. */
  readonly password: string;
  /** The buildlet's name on a coordinator; empty: the peer is the buildlet itself. */
  readonly remoteName: string;
  /** Whether each end can open the other's files. Default false. */
  readonly sharesFiles?: boolean | undefined;
  /** Absent: a pool of its own, made on first use and destroyed at the end. */
  readonly dispatcher?: Dispatcher | undefined;
  /** Absent: no heartbeat. */
  readonly heartbeatIntervalMs: number | undefined;
  /** Told of every request, for `--verbose`. */
  readonly onRequest?: ((line: string) => void) | undefined;
  /** Why the peer will never answer again, if that is known; does not reject. */
  readonly whyGone?: (() => Promise<GomoteError | undefined>) | undefined;
  /** Releases what the connections go through, when they are destroyed. */
  readonly onDisconnect?: (() => Promise<void>) | undefined;
}

/** How much of an error's text is read, in bytes. */
const errorTextLimitBytes = 64 << 10;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #end = new AbortController();
  #dispatcher: Dispatcher | Promise<Dispatcher> | undefined;
  #ownDispatcher: Promise<Dispatcher> | undefined;
  #light: Promise<LightSender | undefined> | undefined;
  #stopHeartbeat: (() => void) | undefined;
  onDead: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#dispatcher = options.dispatcher;
    // One for each call under way, however many those are.
    setMaxListeners(0, this.#end.signal);
  }

  get options(): ConnectionOptions {
    return this.#options;
  }

  /** Why no call can succeed any more; undefined while they can. */
  get failure(): GomoteError | undefined {
    return this.#end.signal.aborted ? (this.#end.signal.reason as GomoteError) : undefined;
  }

  /** A signal that aborts with the caller's, or when the connection ends. */
  signalWith(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#end.signal : AbortSignal.any([signal, this.#end.signal]);
  }

  set dispatcher(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  /** Sends a request with credentials. `signal` must come from `signalWith`. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    this.#startHeartbeat();
    return await this.#sendNow(request);
  }

  async #sendNow(request: HttpRequest): Promise<HttpResponse> {
    if (this.failure !== undefined) throw this.failure;
    const { address, onRequest } = this.#options;
    this.#dispatcher ??= this.#ownDispatcher = createDispatcher(address);
    const headers = { ...request.headers, ...this.#headers() };
    const startMs = Date.now();
    const response = await send(await this.#dispatcher, originOf(address), { ...request, headers });
    onRequest?.(
      `${request.method} ${request.path} ${response.statusCode} ` + `${Date.now() - startMs} ms`,
    );
    return response;
  }

  /** As `send`, but a reply other than 200 is thrown as a StatusError. */
  async call(request: HttpRequest): Promise<HttpResponse> {
    return await this.#checked(await this.send(request), request);
  }

  /** As `call`, for a peer that may not be there yet: it starts no heartbeat. */
  async probe(request: HttpRequest): Promise<HttpResponse> {
    return await this.#checked(await this.#sendNow(request), request);
  }

  /** As `call`, sent by `LightSender` where that can. */
  async callQuick(request: HttpRequest): Promise<HttpReply> {
    this.#startHeartbeat();
    return await this.callLight(request);
  }

  /** As `callQuick`, for a caller that learns by itself whether its peer is alive: it starts no heartbeat. */
  async callLight(request: HttpRequest): Promise<HttpReply> {
    if (this.failure !== undefined) throw this.failure;
    const { address, onRequest } = this.#options;
    // Whoever gives a dispatcher wants everything sent by it.
    const isGiven = this.#dispatcher !== this.#ownDispatcher;
    if (!isGiven) this.#light ??= lightSender(address);
    const light = isGiven ? undefined : await this.#light;
    if (light === undefined) return await this.probe(request);
    const headers = { ...request.headers, ...this.#headers() };
    const startMs = Date.now();
    try {
      const response = await light.send({ ...request, headers });
      const tookMs = Date.now() - startMs;
      onRequest?.(`${request.method} ${request.path} ${response.statusCode} ${tookMs} ms`);
      return await this.#checked(response, request);
    } catch (error) {
      throw transportError(error, request.signal, 'ERR_CONNECT');
    }
  }

  /** As `callLight`, and reads the whole reply as text. */
  async callLightText(request: HttpRequest): Promise<string> {
    return await readText(await this.callLight(request), request.signal);
  }

  async #checked<T extends HttpReply>(response: T, request: HttpRequest): Promise<T> {
    if (response.statusCode === 200) return response;
    throw await statusError(response, this.#options.label, request);
  }

  /** Calls and reads the whole reply as text. */
  async callText(request: HttpRequest): Promise<string> {
    return await readText(await this.call(request), request.signal);
  }

  /** Every pending call fails with `error`, and every later one. */
  fail(error: GomoteError): void {
    if (this.#end.signal.aborted) return;
    this.#stopHeartbeat?.();
    this.#end.abort(error);
  }

  /** Destroys its own connections, and what they go through. */
  async destroy(): Promise<void> {
    (await this.#light)?.destroy();
    await (await this.#ownDispatcher)?.destroy();
    await this.#options.onDisconnect?.();
  }

  /** Where requests go, and by which authorization: for passing on those of others. */
  get target(): RelayTarget {
    const { address, authUser, password } = this.#options;
    const pair = Buffer.from(`${authUser}:${password}`).toString('base64');
    return { address, authorization: password === '' ? '' : `Basic ${pair}` };
  }

  #headers(): Record<string, string> {
    const { remoteName } = this.#options;
    const { authorization } = this.target;
    const headers: Record<string, string> = {};
    if (authorization !== '') headers.Authorization = authorization;
    if (remoteName !== '') headers[proxyHeader] = remoteName;
    return headers;
  }

  #startHeartbeat(): void {
    const { heartbeatIntervalMs } = this.#options;
    if (heartbeatIntervalMs === undefined || this.failure !== undefined) return;
    this.#stopHeartbeat ??= startHeartbeat({
      beat: async (signal) => {
        const { path } = endpoints.status;
        const response = await this.#sendNow({ method: 'GET', path, signal });
        await response.body.dump();
        if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
      },
      intervalMs: heartbeatIntervalMs,
      onDead: (error) => {
        this.fail(error);
        this.onDead?.();
      },
    });
  }
}

/** Reads an error reply; the first line of its text is the message. */
async function statusError(
  response: HttpReply,
  label: string,
  request: HttpRequest,
): Promise<StatusError> {
  const body = await readText(response, request.signal, errorTextLimitBytes);
  const text = body.trim().split('\n', 1)[0] ?? '';
  const refused = response.statusCode === 401 || response.statusCode === 403;
  return new StatusError(
    response.statusCode,
    text,
    `${label}: ${text === '' ? `status ${response.statusCode}` : text}`,
    refused ? { hint: 'check the user, the token or the password' } : {},
  );
}
