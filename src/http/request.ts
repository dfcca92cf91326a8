// One HTTP request to a buildlet or coordinator over undici, its failures told as GomoteErrors.
import type { Socket } from 'node:net';
import { type Duplex, Readable } from 'node:stream';
import type { Dispatcher, Pool } from 'undici';
import { errnoOf, GomoteError, messageOf } from '../errors.ts';
import type { Method } from '../protocol/endpoints.ts';

/** How to reach a server. */
export type ServerAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | {
      readonly kind: 'tcp';
      readonly origin: string;
      /** Accept the server that has the key of this certificate (PEM), and no other. */
      readonly pinnedCert?: string | undefined;
      /** Accept the server that has exactly the certificate of this SHA-256 (hex), and no other. */
      readonly fingerprint?: string | undefined;
      /** An HTTP proxy's URL, to reach an https origin through. */
      readonly proxy?: string | undefined;
    }
  | {
      /** By a way of its own, such as a stream of another connection. */
      readonly kind: 'dial';
      /** What the server is called in messages. */
      readonly label: string;
      /** Opens a fresh byte stream to it; the caller destroys the stream. */
      readonly dial: () => Promise<Duplex>;
    };

/** What is sent as a body: a stream goes out as it comes, with backpressure. */
export type RequestBody = string | Uint8Array | AsyncIterable<Uint8Array>;

export interface HttpRequest {
  readonly method: Method;
  /** Path and query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody | undefined;
  readonly signal?: AbortSignal | undefined;
  /** The longest wait for the reply's header; absent: for ever. */
  readonly headersTimeoutMs?: number | undefined;
}

export type HttpResponse = Dispatcher.ResponseData;

/** What every reply has, whoever sent the request. */
export interface HttpReply {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Readable & {
    /**
     * May be set by a reader of its `data` events: tells whether it is done with every piece that it has had. Then their
     * memory may be used again for the next.
     */
    isUsedUp?: (() => boolean) | undefined;
  };
}

/** How long a connection may take to be made. */
const connectTimeoutMs = 10_000;

/** A pool of connections to one server. The caller destroys it. */
export async function createDispatcher(address: ServerAddress): Promise<Dispatcher> {
  // It takes long to load, and some commands do without it.
  const undici = await import('undici');
  return new undici.Pool(originOf(address), {
    connect: await connectorOf(address),
    // Commands may be silent and transfers slow for hours: heartbeats, not timeouts, find a dead peer.
    headersTimeout: 0,
    bodyTimeout: 0,
    pipelining: 1,
    // undici's HTTP/2 is left out of the bundled command line.
    allowH2: false,
  });
}

/** The origin that requests to the address name. */
export const originOf = (address: ServerAddress): string =>
  address.kind === 'tcp' ? address.origin : 'http://buildlet';

async function connectorOf(address: ServerAddress): Promise<NonNullable<Pool.Options['connect']>> {
  if (address.kind === 'unix') return { socketPath: address.path, timeout: connectTimeoutMs };
  if (address.kind === 'dial') {
    return (_options, callback) => {
      address.dial().then(
        // undici uses of a socket what every stream has, and the rest only where it is there.
        (stream) => callback(null, stream as Socket),
        (error: Error) => callback(error, null),
      );
    };
  }
  const { pinnedCert: certPem, fingerprint, proxy } = address;
  const isPinned = certPem !== undefined || fingerprint !== undefined;
  if (!isPinned && proxy === undefined) return { timeout: connectTimeoutMs };
  const { pinnedConnector, plainConnector } = await import('./tls.ts');
  const connect = isPinned ? pinnedConnector({ certPem, fingerprint }) : plainConnector();
  if (proxy === undefined) return connect;
  return (await import('./through-proxy.ts')).throughProxy(proxy, connect);
}

/** Sends the request and resolves with the reply's header; its body is still to be read. */
export async function send(
  dispatcher: Dispatcher,
  origin: string,
  request: HttpRequest,
): Promise<HttpResponse> {
  try {
    return await dispatcher.request({
      origin,
      method: request.method,
      path: request.path,
      headers: { ...request.headers },
      body: toUndiciBody(request.body),
      signal: request.signal ?? null,
      ...(request.headersTimeoutMs === undefined
        ? {}
        : { headersTimeout: request.headersTimeoutMs }),
    });
  } catch (error) {
    throw transportError(error, request.signal, 'ERR_CONNECT');
  }
}

function toUndiciBody(body: RequestBody | undefined): string | Uint8Array | Readable | null {
  if (body === undefined) return null;
  if (typeof body === 'string' || body instanceof Uint8Array || body instanceof Readable)
    return body;
  return Readable.from(body, { objectMode: false });
}

/** Tells a failure of the connection: `code` is ERR_CONNECT before the reply began, ERR_LOST after. */
export function transportError(
  error: unknown,
  signal: AbortSignal | undefined,
  code: 'ERR_CONNECT' | 'ERR_LOST',
): GomoteError {
  if (signal?.aborted === true) {
    const { reason } = signal;
    if (reason instanceof GomoteError) return reason;
    return new GomoteError('ERR_ABORTED', 'the call was cancelled', { cause: reason });
  }
  if (error instanceof GomoteError) return error;
  if (errnoOf(error) === 'UND_ERR_HEADERS_TIMEOUT') {
    return new GomoteError('ERR_BROKEN', 'no reply came in time', { cause: error });
  }
  const what = code === 'ERR_CONNECT' ? 'cannot reach the server' : 'the connection was lost';
  return new GomoteError(code, `${what}: ${messageOf(error)}`, { cause: error });
}

/** Reads a reply's body as text, at most `limitBytes` of it; the rest is dropped with the connection. */
export async function readText(
  response: Pick<HttpReply, 'body'>,
  signal: AbortSignal | undefined,
  limitBytes = 16 << 20,
): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes >= limitBytes) break;
    }
  } catch (error) {
    throw transportError(error, signal, 'ERR_LOST');
  }
  return Buffer.concat(chunks).toString('utf8', 0, limitBytes);
}
