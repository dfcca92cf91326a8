// HTTP requests to one server, by Node's own client over connections of `openSocket`.
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { pipeline, Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import { abortedError, errnoOf, GomoteError, isErrno, messageOf } from '../../errors.ts';
import { quoted } from '../../printable.ts';
import type { Method } from '../../protocol/endpoints.ts';
import { longTimer } from '../../timeout-signal.ts';
import { originOf, type ServerAddress } from './server-address.ts';
import { type AgentRequestOptions, SocketAgent } from './socket-agent.ts';

/** A request body. Streams are sent with backpressure. */
export type RequestBody = string | Uint8Array | AsyncIterable<Uint8Array>;

/** A request to the client's server. */
export interface HttpRequest {
  /** Such as `GET`. */
  readonly method: Method | 'HEAD' | 'DELETE';
  /** Path and query. */
  readonly path: string;
  /** Additional headers. Default: none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Default: none. */
  readonly body?: RequestBody | undefined;
  /** Cancels the request and the reading of its reply. */
  readonly signal?: AbortSignal | undefined;
  /** The time limit for the reply's header, in ms. Default, also 0 and Infinity: none. */
  readonly headersTimeoutMs?: number | undefined;
}

/** A reply whose head has arrived. */
export interface HttpResponse {
  /** Such as 200. */
  readonly statusCode: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Names in lower case; complete once the body has ended. */
  readonly trailers: Readonly<Record<string, string | undefined>>;
  /** Must be read to its end, or destroyed. */
  readonly body: ReplyBody;
}

/** The body of a reply, to be read once. */
export type ReplyBody = Readable & {
  /** All of it as UTF-8. */
  text(): Promise<string>;
  /** All of it, parsed as JSON. */
  json(): Promise<unknown>;
};

/** Sends requests to one server. */
export interface Sender {
  /** Resolves with the reply's header. Fails as the connection does, or with the signal's reason. */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Closes the connections; requests in progress fail. */
  destroy(): void;
}

/** How long an idle connection is kept, in ms. */
const idleMs = 4_000;

/** The maximum size of a reply's head, in bytes. */
const maxHeaderSize = 64 << 10;

/** The maximum number of interim replies (1xx) before the final one. */
const maxInterimReplies = 16;

/** Methods that may be sent again when a kept connection turns out to be closed. */
const idempotentMethods = ['GET', 'PUT'];

export class HttpClient implements Sender {
  readonly #agent: SocketAgent;
  readonly #host: string;

  constructor(address: ServerAddress) {
    this.#agent = new SocketAgent(address, { idleMs });
    this.#host = address.kind === 'tcp' ? new URL(address.origin).host : 'buildlet';
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    // No connection is made for it either.
    if (request.signal?.aborted) throw asError(request.signal.reason);
    for (;;) {
      // A request that cannot be repeated must not use a connection that may be closed.
      if (!isRepeatable(request) && isWhole(request.body)) await this.#agent.settle();
      const giveUp = new AbortController();
      const call = this.#start(request, giveUp.signal);
      try {
        const reply = await replyTo(call, request, giveUp);
        return {
          statusCode: reply.statusCode ?? 0,
          headers: reply.headers,
          get trailers() {
            return reply.trailers;
          },
          body: Object.assign(reply, {
            text: async () => await (await import('node:stream/consumers')).text(reply),
            json: async () => await (await import('node:stream/consumers')).json(reply),
          }),
        };
      } catch (error) {
        if (!mayRepeat(call, request, error)) throw error;
      }
    }
  }

  destroy(): void {
    this.#agent.destroy();
  }

  #start({ method, path, headers, body }: HttpRequest, givenUp: AbortSignal): ClientRequest {
    const isBare = method === 'GET' || method === 'HEAD';
    const length = isWhole(body) && !isBare ? Buffer.byteLength(body ?? '') : undefined;
    try {
      const options: AgentRequestOptions = {
        agent: this.#agent,
        givenUp,
        method,
        path,
        headers: {
          Host: this.#host,
          ...headers,
          ...(length !== undefined && { 'Content-Length': length }),
        },
        maxHeaderSize,
        // The socket does TLS. Without a server name, Node derives one from the host by a slow regular expression.
        servername: '',
      };
      return request(options);
    } catch (error) {
      // Node says which character it refuses.
      throw new GomoteError('ERR_REQUEST', `cannot send ${quoted(path)}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

/** Sends the body and waits for the reply's head. */
async function replyTo(
  call: ClientRequest,
  { body, signal, headersTimeoutMs }: HttpRequest,
  giveUp: AbortController,
): Promise<IncomingMessage> {
  let fail: (error: Error) => void = () => undefined;
  const end = (error: Error) => {
    call.destroy(error);
    // Before it has a connection, the request reports no error.
    fail(error);
    giveUp.abort(error);
  };
  const abort = () => end(asError(signal?.reason));
  const onLate = () => end(new GomoteError('ERR_BROKEN', 'no reply came in time'));
  const late = longTimer(onLate, headersTimeoutMs || Infinity);
  const forget = () => signal?.removeEventListener('abort', abort);
  call.once('close', forget);
  signal?.addEventListener('abort', abort, { once: true });
  const cancelled = new Promise<never>((_resolve, reject) => {
    fail = reject;
  });
  const replied = Promise.race([replyOf(call), cancelled]);
  try {
    if (signal?.aborted) abort();
    sendBody(call, body);
    const reply = await replied;
    // A server may refuse a request before it is complete: do not send the rest then.
    reply.once('end', () => call.writableFinished || call.destroy());
    keepCause(reply);
    return reply;
  } catch (error) {
    forget();
    throw error;
  } finally {
    late.clear();
  }
}

/** The head of the reply to the request. */
export function replyOf(
  call: ClientRequest,
  onReply?: (reply: IncomingMessage) => void,
): Promise<IncomingMessage> {
  let interimReplies = 0;
  call.on('information', () => {
    if (++interimReplies > maxInterimReplies) call.destroy(new Error('its reply has no end'));
  });
  return new Promise((resolve, reject) => {
    if (onReply !== undefined) call.once('response', onReply);
    call.once('response', resolve).on('error', reject);
    call.once('close', () => reject(new Error('the connection was closed before a reply')));
  });
}

/** Makes a truncated reply fail with the error of its connection: Node only says that it was aborted. */
function keepCause(reply: IncomingMessage): void {
  const { socket } = reply;
  const fail = (error: Error) => reply.complete || reply.destroy(error);
  socket.once('error', fail);
  reply.once('close', () => socket.off('error', fail));
  // The reply may have no reader when the connection breaks.
  reply.on('error', () => undefined);
}

/** Sends the body, and ends its source with the request. A failure shows at the reply. */
export function sendBody(call: ClientRequest, body: RequestBody | undefined): void {
  if (isWhole(body)) {
    call.end(body);
    return;
  }
  const source = body instanceof Readable ? body : Readable.from(body, { objectMode: false });
  // In this order, because the pipeline hides the error of a failed source from the request.
  source.once('error', (error) => call.destroy(error));
  // When the request ends, end its source, even a silent one; the failure is reported by the reply.
  pipeline(source, call, () => undefined);
}

/** Whether the server closed a kept connection just as it was reused, and the request is safe to repeat. */
function mayRepeat(call: ClientRequest, request: HttpRequest, error: unknown): boolean {
  const wasClosed = isErrno(error, 'ECONNRESET', 'EPIPE');
  return (
    call.reusedSocket && wasClosed && isRepeatable(request) && request.signal?.aborted !== true
  );
}

const isRepeatable = ({ method, body }: HttpRequest): boolean =>
  idempotentMethods.includes(method) && isWhole(body);

const isWhole = (body: RequestBody | undefined): body is string | Uint8Array | undefined =>
  body === undefined || typeof body === 'string' || body instanceof Uint8Array;

const asError = (reason: unknown): Error =>
  reason instanceof Error ? reason : new Error('the call was cancelled');

/** Sends by an undici Dispatcher of the caller's. */
export function dispatcherSender(dispatcher: Dispatcher, address: ServerAddress): Sender {
  return {
    send: async ({ method, path, headers, body, signal, headersTimeoutMs = 0 }) =>
      await dispatcher.request({
        ...{ origin: originOf(address), method, path, headers: { ...headers } },
        body: isWhole(body) ? (body ?? null) : Readable.from(body, { objectMode: false }),
        signal: signal ?? null,
        headersTimeout: Number.isFinite(headersTimeoutMs) ? headersTimeoutMs : 0,
        // A command may be silent for any time; the reader has its own limits.
        bodyTimeout: 0,
      }),
    // The dispatcher belongs to the caller.
    destroy: () => undefined,
  };
}

/** What to do when a server cannot be reached. */
export const unreachableHint = 'check the address and the network';

/** Converts a failure of the connection: `code` is ERR_CONNECT before the reply began, ERR_LOST after. */
export function transportError(
  error: unknown,
  signal: AbortSignal | undefined,
  code: 'ERR_CONNECT' | 'ERR_LOST',
  peer = 'the server',
): GomoteError {
  if (signal?.aborted === true) return abortedError(signal);
  if (error instanceof GomoteError) return error;
  if (errnoOf(error) === 'UND_ERR_HEADERS_TIMEOUT') {
    return new GomoteError('ERR_BROKEN', 'no reply came in time', { cause: error });
  }
  const isUnreached = code === 'ERR_CONNECT' && !isErrno(error, 'ECONNRESET', 'EPIPE');
  const what = isUnreached ? `cannot reach ${peer}` : 'the connection was lost';
  const hint = isUnreached ? unreachableHint : undefined;
  return new GomoteError(code, `${what}: ${messageOf(error)}`, { hint, cause: error });
}

/** The size limit of a reply with a single value, in bytes. */
const shortReplyBytes = 1 << 20;

/** The size limit of a reply with a list, in bytes. */
export const listReplyBytes = 16 << 20;

/** Reads a reply's body as text, at most `limitBytes` of it; the rest is dropped with the connection. */
export async function readText(
  { body }: { readonly body: Readable },
  signal: AbortSignal | undefined,
  limitBytes = shortReplyBytes,
): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes >= limitBytes) break;
    }
  } catch (error) {
    throw transportError(error, signal, 'ERR_LOST');
  }
  return Buffer.concat(chunks).toString('utf8', 0, limitBytes);
}
