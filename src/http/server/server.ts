// The HTTP server under a buildlet: routes, the password, and an AbortSignal for every request.
import { hash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createSecureContext } from 'node:tls';
import { GomoteError, messageOf } from '../../errors.ts';
import type { Endpoint } from '../../protocol/endpoints.ts';
import { decodeForm } from '../../protocol/form.ts';
import { browserRefusal } from './browser-requests.ts';
import { boundAt, type ListenAddress } from './listen.ts';
import { sendError, sendRefusal } from './reply.ts';
import { closeSilent, watchSilent } from './silent-connections.ts';
import {
  type ConnectionLimits,
  UnauthenticatedConnections,
} from './unauthenticated-connections.ts';
import { onUpgrade, type UpgradableSocket } from './upgrades.ts';

/** One request being served. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Aborts when the client leaves before its reply is complete. */
  readonly signal: AbortSignal;
  /** Present for an upgrade request. */
  readonly upgrade?: UpgradableSocket | undefined;
}

export type Handler = (exchange: Exchange) => Promise<void> | void;

export interface Route {
  readonly endpoint: Endpoint;
  readonly handle: Handler;
}

interface ServerOptions {
  readonly routes: readonly Route[];
  /** Empty or absent: no password is required. */
  readonly password?: string | undefined;
  readonly tls?: TlsIdentity | undefined;
  /** The limits for clients that have not given the password. */
  readonly unauthenticated?: ConnectionLimits | undefined;
  /** Called for each request that is handled. The returned function is called when its reply has ended. */
  readonly onExchange?: ((endpoint: Endpoint) => () => void) | undefined;
  /** Called with errors of handlers that the client did not cause. */
  readonly onError?: ((error: unknown, request: IncomingMessage) => void) | undefined;
}

/** How much of a reply may be buffered for a slow reader, in bytes. */
const replyBufferBytes = 1 << 20;

/** Creates the server. The caller makes it listen and closes it. */
export function createHttpServer(options: ServerOptions): Server {
  const routes = new Map(options.routes.map((route) => [route.endpoint.path, route]));
  const unauthenticated = new UnauthenticatedConnections(options.unauthenticated);
  const handle = (
    request: IncomingMessage,
    response: ServerResponse,
    upgrade?: UpgradableSocket,
  ) => {
    unauthenticated.begin(request, response);
    const exchange = { request, response, upgrade };
    serve(routes, { ...options, unauthenticated }, exchange).catch(() => response.destroy());
  };
  const server = createBareServer(handle, options.tls);
  onUpgrade(server, handle);
  unauthenticated.watch(server);
  return server;
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

export interface TlsIdentity {
  readonly certPem: string;
  readonly keyPem: string;
}

/** Throws ERR_CONFIG when the key does not match the certificate, or either cannot be read. */
export function checkIdentity({ certPem, keyPem }: TlsIdentity): void {
  try {
    createSecureContext({ cert: certPem, key: keyPem });
  } catch (error) {
    throw new GomoteError('ERR_CONFIG', `tls: certificate and key: ${messageOf(error)}`, {
      hint: 'the key must be that of the certificate, both in PEM',
    });
  }
}

/** Ciphers of TLS 1.2 with forward secrecy only: recorded traffic cannot be decrypted with the key later. */
const tlsSettings = {
  minVersion: 'TLSv1.2',
  ciphers: [
    ...['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'],
    ...['ECDHE-ECDSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
    ...['ECDHE-ECDSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
    ...['ECDHE-ECDSA-CHACHA20-POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ].join(':'),
  handshakeTimeout: 10_000,
} as const;

/** A plain server with our limits and time-outs. */
export function createBareServer(listener: Listener, tls?: TlsIdentity): Server {
  const settings = {
    // An upload may take hours; only the header has a time limit.
    requestTimeout: 0,
    headersTimeout: 10_000,
    connectionsCheckingInterval: 2_000,
    // Longer than clients keep an idle connection, so that they never reuse one that is being closed here.
    keepAliveTimeout: 75_000,
    maxHeaderSize: 64 << 10,
    highWaterMark: replyBufferBytes,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 15_000,
  };
  const server =
    tls === undefined
      ? createServer(settings, listener)
      : createTlsServer(
          { ...settings, ...tlsSettings, cert: tls.certPem, key: tls.keyPem },
          listener,
        );
  watchSilent(server, tls === undefined ? 'connection' : 'secureConnection');
  return server;
}

/** Aborts when the client leaves before its reply is complete. */
export function signalOf(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new GomoteError('ERR_LOST', 'the client left'));
  });
  return gone.signal;
}

async function serve(
  routes: ReadonlyMap<string, Route>,
  options: Omit<ServerOptions, 'unauthenticated'> & {
    readonly unauthenticated: UnauthenticatedConnections;
  },
  received: Pick<Exchange, 'request' | 'response' | 'upgrade'>,
): Promise<void> {
  const { request, response } = received;
  const signal = signalOf(response);
  const { path, query } = splitTarget(request.url ?? '/');
  const route = routes.get(path);
  let over: (() => void) | undefined;
  try {
    const refusal = browserRefusal(request, { hasPassword: Boolean(options.password) });
    if (refusal !== undefined) return sendRefusal(response, 403, refusal);
    const isKnown = isAuthorized(request, options.password);
    if (isKnown) options.unauthenticated.trust(request);
    if (route === undefined) return sendError(response, 404, '404 page not found');
    if (!route.endpoint.open && !isKnown) return sendRefusal(response, 403, 'invalid password');
    if (!route.endpoint.methods.some((method) => method === request.method)) {
      return sendError(response, 400, route.endpoint.wrongMethod);
    }
    over = options.onExchange?.(route.endpoint);
    await route.handle({ ...received, query, signal });
  } catch (error) {
    if (!signal.aborted) options.onError?.(error, request);
    sendError(response, error);
  } finally {
    over?.();
  }
}

export function splitTarget(target: string): { path: string; query: URLSearchParams } {
  const mark = target.indexOf('?');
  return mark < 0
    ? { path: target, query: new URLSearchParams() }
    : { path: target.slice(0, mark), query: decodeForm(target.slice(mark + 1)) };
}

/** Compares digests in constant time. The user name is ignored. */
function isAuthorized(request: IncomingMessage, password: string | undefined): boolean {
  if (password === undefined || password === '') return true;
  return timingSafeEqual(digest(basicPair(request)?.password ?? ''), digest(password));
}

/** The user name and password of HTTP Basic; undefined when there are none. */
export function basicPair(
  request: IncomingMessage,
): { user: string; password: string } | undefined {
  const basic = /^Basic ([A-Za-z0-9+/=_-]+)$/i.exec(request.headers.authorization ?? '');
  if (basic?.[1] === undefined) return undefined;
  const pair = Buffer.from(basic[1], 'base64').toString();
  const colon = pair.indexOf(':');
  return { user: pair.slice(0, Math.max(0, colon)), password: pair.slice(colon + 1) };
}

const digest = (text: string): Buffer => hash('sha256', text, 'buffer');

/** How often a closing server checks for idle connections, in ms. */
const sweepIntervalMs = 50;

/** How long a client may take to its first request on a connection to a closing server, in ms. */
const silenceMs = 200;

/** Closes the server: accepts no new requests, gives running ones `graceMs`, then cuts their connections. */
export async function closeServer(
  server: Server,
  graceMs: number,
  address?: ListenAddress,
): Promise<void> {
  const listening = boundAt(address) ?? server;
  const cut = setTimeout(() => server.closeAllConnections(), graceMs);
  // Clients keep their connections open after a request: close those that are idle.
  const sweep = setInterval(() => {
    server.closeIdleConnections();
    closeSilent(server, silenceMs);
  }, sweepIntervalMs);
  await new Promise<void>((resolve) => {
    listening.close(() => resolve());
    if (listening !== server) server.close();
    server.closeIdleConnections();
  });
  clearTimeout(cut);
  clearInterval(sweep);
}
