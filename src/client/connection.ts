// The shared state of all calls to one buildlet: credentials, heartbeat, closed or broken.
import { setMaxListeners } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { abortedError, checkSignal, GomoteError, StatusError } from '../errors.ts';
import { openSocket } from '../http/client/open-socket.ts';
import { proxyReply } from '../http/client/proxy-reply.ts';
import {
  dispatcherSender,
  HttpClient,
  type HttpRequest,
  type HttpResponse,
  readText,
  type Sender,
  transportError,
} from '../http/client/request.ts';
import { originOf, type ServerAddress } from '../http/client/server-address.ts';
import { type Upgraded, upgrade } from '../http/client/upgrade.ts';
import type { RelayTarget } from '../http/relay/proxy.ts';
import { contentTypes, endpoints, proxyHeader } from '../protocol/endpoints.ts';
import { errorCodeHeader, parseErrorCode } from '../protocol/error-reply.ts';
import { encodeForm, type FormValues } from '../protocol/form.ts';
import { anySignal, timeoutSignal } from '../timeout-signal.ts';
import { currentTraceparent } from '../tracing.ts';
import type { BuildletClientOptions } from './client-options.ts';
import { startHeartbeat } from './heartbeat.ts';
import { headersLimitMs } from './time-limit.ts';

/** What the peer's client was given, and who the peer is. */
export interface ConnectionOptions
  extends Omit<
    BuildletClientOptions,
    'name' | 'remoteName' | 'authUser' | 'description' | 'heartbeatIntervalMs'
  > {
  readonly address: ServerAddress;
  /** The peer's name in messages. */
  readonly label: string;
  readonly authUser: string;
  /** Empty: no credentials are sent. */
  readonly password: string;
  /** The buildlet's name on a coordinator; empty: the peer is the buildlet itself. */
  readonly remoteName: string;
  /** Absent: no heartbeat. */
  readonly heartbeatIntervalMs: number | undefined;
}

/** The size limit of an error's text, in bytes. */
const errorTextLimitBytes = 64 << 10;

/** The time limit for connecting and upgrading, in ms. */
const upgradeTimeoutMs = 20_000;

export interface CallRequest extends HttpRequest {
  /** The body, in place of `body`. */
  readonly form?: FormValues | undefined;
  /**
   * Whether it starts the heartbeats. Default true; false where the peer may not be up yet, or the caller notices
   * itself whether it is alive.
   */
  readonly heartbeat?: boolean | undefined;
  /** Whether to return replies with any status. Default false. */
  readonly anyStatus?: boolean | undefined;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #end = new AbortController();
  #sender: Sender | undefined;
  #stopHeartbeat: (() => void) | undefined;
  onDead: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    // One listener for each call in progress.
    setMaxListeners(0, this.#end.signal);
  }

  get options(): ConnectionOptions {
    return this.#options;
  }

  /** Why no call can succeed any more; undefined while calls can. A new error each time. */
  get failure(): GomoteError | undefined {
    return this.#end.signal.aborted ? abortedError(this.#end.signal) : undefined;
  }

  /** A signal that aborts with one of the caller's, or when the connection ends. Throws ERR_USAGE for an invalid signal. */
  signalWith(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
    if (signals.every((signal) => signal === undefined)) return this.#end.signal;
    signals.forEach(checkSignal);
    return anySignal(...signals, this.#end.signal);
  }

  set dispatcher(dispatcher: Dispatcher) {
    this.#sender?.destroy();
    this.#sender = dispatcherSender(dispatcher, this.#options.address);
  }

  /**
   * Sends a request with credentials; `signal` must come from `signalWith`. A reply other than 200 is thrown as a
   * StatusError, unless any is asked for.
   */
  async call({
    heartbeat = true,
    anyStatus = false,
    form,
    ...request
  }: CallRequest): Promise<HttpResponse> {
    if (heartbeat) this.#startHeartbeat();
    const { failure } = this;
    if (failure !== undefined) throw failure;
    const { address, dispatcher, label, onRequest } = this.#options;
    this.#sender ??=
      dispatcher === undefined ? new HttpClient(address) : dispatcherSender(dispatcher, address);
    const traceparent = currentTraceparent();
    const headers = {
      ...(form && { 'Content-Type': contentTypes.form }),
      ...{ ...request.headers, ...this.#headers(), ...(traceparent && { traceparent }) },
    };
    const body = form === undefined ? request.body : encodeForm(form);
    const startMs = Date.now();
    const sent = this.#sender.send({ ...request, headers, body });
    const response = await sent.catch((error: unknown) => {
      throw transportError(error, request.signal, 'ERR_CONNECT', label);
    });
    const tookMs = Date.now() - startMs;
    try {
      onRequest?.(`${request.method} ${request.path} ${response.statusCode} ${tookMs} ms`);
    } catch (error) {
      response.body.on('error', () => undefined).destroy();
      throw error;
    }
    if (anyStatus || response.statusCode === 200) return response;
    throw await statusError(response, label, request.signal);
  }

  /**
   * Like `call`, with any signal, and reads the reply as text, at most `limitBytes` of it. Default: the limit of a short reply.
   */
  async callText(request: CallRequest, limitBytes?: number): Promise<string> {
    const signal = this.signalWith(request.signal);
    // GET requests are cheap.
    const headersTimeoutMs = request.method === 'GET' ? headersLimitMs : undefined;
    const response = await this.call({ headersTimeoutMs, ...request, signal });
    return await readText(response, signal, limitBytes);
  }

  /** Throws ERR_REPLY: the peer sent what the protocol does not allow. `text`: what it sent. */
  badReply(what: string, text?: string): never {
    const shown = text === undefined ? '' : `: ${text.slice(0, 80)}`;
    throw new GomoteError('ERR_REPLY', `${this.#options.label}: ${what}${shown}`);
  }

  /** Upgrades a new connection to a byte stream of the protocol, which the caller destroys. Throws as `call` does. */
  async upgrade(
    path: string,
    protocol: string,
    signal: AbortSignal | undefined,
  ): Promise<Upgraded> {
    const { failure } = this;
    if (failure !== undefined) throw failure;
    const { address, label } = this.#options;
    const within = this.signalWith(signal, timeoutSignal(upgradeTimeoutMs));
    let socket: Duplex | undefined;
    try {
      socket = await openSocket(address, within);
      const headers = { Host: new URL(originOf(address)).host, ...this.#headers() };
      const upgraded = await upgrade(socket, { path, headers, protocol, signal: within });
      if (!('refusal' in upgraded)) return upgraded;
      const { refusal } = upgraded;
      const reply = {
        body: refusal,
        statusCode: refusal.statusCode ?? 0,
        headers: refusal.headers,
      };
      throw await statusError(reply, label, within);
    } catch (error) {
      socket?.destroy();
      throw transportError(error, signal, 'ERR_CONNECT', label);
    }
  }

  /** Every pending call fails with `error`, and every later one. */
  fail(error: GomoteError): void {
    if (this.#end.signal.aborted) return;
    this.#stopHeartbeat?.();
    this.#end.abort(error);
  }

  /** Closes its connections, and their transport. */
  async destroy(): Promise<void> {
    this.#sender?.destroy();
    await this.#options.onDisconnect?.();
  }

  /** Where requests go, and with which authorization, for relaying. */
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
        await this.callText({ method: 'GET', path, signal, heartbeat: false });
      },
      intervalMs: heartbeatIntervalMs,
      onDead: (error) => {
        this.fail(error);
        this.onDead?.();
      },
    });
  }
}

/** Calls a listener of the caller. Its errors cannot fail a call. */
export function callSafely(listener: (() => void) | undefined): void {
  try {
    listener?.();
  } catch {}
}

/** Reads an error reply; the first line of its text is the message. */
async function statusError(
  response: Pick<HttpResponse, 'statusCode' | 'headers'> & { readonly body: Readable },
  label: string,
  signal: AbortSignal | undefined,
): Promise<StatusError> {
  const body = await readText(response, signal, errorTextLimitBytes);
  const text = body.trim().split('\n', 1)[0] ?? '';
  const proxy = proxyReply(response, text);
  const refused = response.statusCode === 401 || response.statusCode === 403;
  const what = proxy?.what ?? (text === '' ? `status ${response.statusCode}` : text);
  return new StatusError(response.statusCode, text, `${label}: ${what}`, {
    code: parseErrorCode(response.headers[errorCodeHeader.toLowerCase()]),
    hint: proxy?.hint ?? (refused ? 'check the user, the token or the password' : undefined),
  });
}
