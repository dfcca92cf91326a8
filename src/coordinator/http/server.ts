// The coordinator's HTTP server: its own endpoints by path, and requests that name a buildlet, which are relayed.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import { messageOf } from '../../errors.ts';
import { browserRefusal } from '../../http/server/browser-requests.ts';
import { sendError, sendRefusal } from '../../http/server/reply.ts';
import {
  createBareServer,
  type Exchange,
  signalOf,
  splitTarget,
  type TlsIdentity,
} from '../../http/server/server.ts';
import { TrustedProxies } from '../../http/server/trusted-proxies.ts';
import {
  type ConnectionLimits,
  UnauthenticatedConnections,
} from '../../http/server/unauthenticated-connections.ts';
import { onUpgrade } from '../../http/server/upgrades.ts';
import { proxyHeader } from '../../protocol/endpoints.ts';
import { asCause, causedBy } from '../audit.ts';
import type { Log } from '../log.ts';
import type { User } from '../state/user-records.ts';
import type { Authenticator } from './authenticator.ts';

/** One request to the coordinator. */
export interface CoordinatorExchange extends Exchange {
  /** Its id in the log and in error messages. */
  readonly id: string;
  /** Of the client, also behind a trusted proxy. */
  readonly address: string;
  /** Additional fields for the request's log line. */
  readonly note: Record<string, string | number | undefined>;
  /** Call it when the client has authenticated: see `UnauthenticatedConnections`. */
  readonly trust: () => void;
}

export type CoordinatorHandler = (
  exchange: CoordinatorExchange,
  user: User,
) => Promise<void> | void;

export interface CoordinatorRoute {
  readonly path: string;
  /** Any other is refused with status 400. */
  readonly method: 'GET' | 'POST';
  /** `anyone`: the handler gets no user and checks the request itself; `monitor`: also read-only users. */
  readonly access: 'anyone' | 'user' | 'admin' | 'monitor';
  /** Whether web pages may request it; the handler checks which. */
  readonly isForPages?: boolean | undefined;
  readonly handle: CoordinatorHandler;
}

/** A route of these; what browsers may request is marked with `isForPages`. */
export const route = (
  method: CoordinatorRoute['method'],
  path: string,
  access: CoordinatorRoute['access'],
  handle: CoordinatorHandler,
): CoordinatorRoute => ({ method, path, access, handle });

/** A finished request. */
export interface RequestDone {
  readonly path: string;
  readonly status: number;
  readonly ms: number;
  /** The size of relayed bodies, in bytes. */
  readonly requestBytes?: number | undefined;
  readonly replyBytes?: number | undefined;
}

interface CoordinatorServerOptions {
  readonly authenticator: Authenticator;
  readonly routes: readonly CoordinatorRoute[];
  /** Handles requests that name a buildlet in `X-Buildlet-Proxy`. */
  readonly relay: (exchange: CoordinatorExchange, user: User, name: string) => Promise<void>;
  readonly tls?: TlsIdentity | undefined;
  /** The proxies that are trusted to report a request's origin. Default: none. */
  readonly proxies?: TrustedProxies | undefined;
  /** The limits for unauthenticated clients. */
  readonly unauthenticated?: ConnectionLimits | undefined;
  readonly log: Log;
  readonly audit?: Log | undefined;
  /** Called for each finished request. */
  readonly onDone?: ((done: RequestDone) => void) | undefined;
}

export const nobody: User = { name: '', isAdmin: false };

interface CoordinatorServer {
  readonly server: Server;
  /** Resolves when no request is being served; upgraded connections do not count. */
  quiet(): Promise<void>;
}

type Received = Pick<CoordinatorExchange, 'request' | 'response' | 'upgrade'>;

/** Creates the server. The caller makes it listen and closes it. */
export function createCoordinatorServer(options: CoordinatorServerOptions): CoordinatorServer {
  const routes = new Map(options.routes.map((route) => [route.path, route]));
  const { proxies = new TrustedProxies() } = options;
  const unauthenticated = new UnauthenticatedConnections(options.unauthenticated, proxies);
  let running = 0;
  let waiting: (() => void)[] = [];
  const begin = (received: Received) => {
    const { request, response } = received;
    unauthenticated.begin(request, response);
    const trust = () => unauthenticated.trust(request);
    serve(routes, options, { ...received, address: proxies.ofRequest(request), trust }).catch(() =>
      response.destroy(),
    );
  };
  const server = createBareServer((request, response) => {
    running++;
    response.once('close', () => {
      running--;
      if (running > 0) return;
      for (const resolve of waiting) resolve();
      waiting = [];
    });
    begin({ request, response });
  }, options.tls);
  unauthenticated.watch(server);
  onUpgrade(server, (request, response, upgrade) => begin({ request, response, upgrade }));
  const quiet = () =>
    new Promise<void>((resolve) => {
      if (running === 0) resolve();
      else waiting.push(resolve);
    });
  return { server, quiet };
}

async function serve(
  routes: ReadonlyMap<string, CoordinatorRoute>,
  options: CoordinatorServerOptions,
  received: Received & Pick<CoordinatorExchange, 'address' | 'trust'>,
): Promise<void> {
  const { request, response, address } = received;
  const startedAtMs = Date.now();
  const { path, query } = splitTarget(request.url ?? '/');
  const note: CoordinatorExchange['note'] = {};
  const id = randomBytes(6).toString('hex');
  const exchange = { ...received, query, signal: signalOf(response), id, note };
  response.once('close', () => {
    const status = response.headersSent ? response.statusCode : 0;
    const ms = Date.now() - startedAtMs;
    const cut = response.writableFinished || status === 101 ? undefined : true;
    const kind = note.buildlet === undefined ? 'other' : 'relay';
    const label = routes.has(path) && kind === 'other' ? path : kind;
    options.onDone?.({ path: label, status, ms, ...bytesIn(note) });
    if (refusals.has(status)) {
      const { user: by, buildlet: name, error } = note;
      options.audit?.write('refused', { by, address, request: id, name, path, status, error });
    }
    options.log.write('request', {
      id,
      address,
      method: request.method,
      path,
      status,
      ms,
      cut,
      ...note,
    });
  });
  try {
    await asCause({ address, request: id }, () => dispatch(routes.get(path), options, exchange));
  } catch (error) {
    note.error = messageOf(error);
    sendError(response, error);
  }
}

/** The statuses of refusals. */
const refusals: ReadonlySet<number> = new Set([401, 403, 429]);

/** The relayed bytes of a relayed request. */
const bytesIn = ({ requestBytes, replyBytes }: CoordinatorExchange['note']) => ({
  requestBytes: Number(requestBytes ?? 0),
  replyBytes: Number(replyBytes ?? 0),
});

async function dispatch(
  route: CoordinatorRoute | undefined,
  options: CoordinatorServerOptions,
  exchange: CoordinatorExchange,
): Promise<void> {
  const { request, response, note } = exchange;
  const names = namesIn(request);
  const [name] = names;
  const refusal =
    name === undefined && route?.isForPages
      ? undefined
      : browserRefusal(request, { hasPassword: true });
  if (refusal !== undefined) return sendRefusal(response, 403, refusal);
  if (names.length > 1) return sendRefusal(response, 400, `more than one ${proxyHeader} header`);
  if (name === undefined && route === undefined)
    return sendRefusal(response, 404, '404 page not found');
  let user = nobody;
  if (name !== undefined || route?.access !== 'anyone') {
    const verdict = await options.authenticator.check(request, exchange.address);
    if ('status' in verdict) return sendRefusal(response, verdict.status, verdict.text);
    user = verdict.user;
    exchange.trust();
    note.user = user.name;
    causedBy(user.name);
  }
  if (user.isMonitor && (name !== undefined || route?.access !== 'monitor')) {
    return sendError(response, 401, 'this token is for /metrics only');
  }
  if (name !== undefined) {
    note.buildlet = name.slice(0, 120);
    return await options.relay(exchange, user, name);
  }
  if (route === undefined) return;
  if (request.method !== route.method) {
    return sendError(response, 400, `${route.method} required`);
  }
  const isForSome = route.access === 'admin' || route.access === 'monitor';
  if (isForSome && !user.isAdmin && !user.isMonitor) {
    return sendError(response, 401, 'only for admins');
  }
  await route.handle(exchange, user);
}

/** Every value of the header that names a buildlet: Node joins repeated ones. */
function namesIn({ rawHeaders }: IncomingMessage): string[] {
  const wanted = proxyHeader.toLowerCase();
  return rawHeaders.flatMap((value, at) =>
    at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === wanted ? [value] : [],
  );
}
