// The coordinator's HTTP: its own endpoints by path, and everything that names a buildlet relayed to it.
import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { messageOf } from '../errors.ts';
import { sendError } from '../http/reply.ts';
import {
  createBareServer,
  type Exchange,
  signalOf,
  splitTarget,
  type TlsIdentity,
} from '../http/server.ts';
import { type Method, proxyHeader } from '../protocol/endpoints.ts';
import type { Doorkeeper } from './doorkeeper.ts';
import type { Log } from './log.ts';
import type { User } from './users.ts';

/** One request to the coordinator. */
export interface CoordinatorExchange extends Exchange {
  /** In the log and in error texts. */
  readonly id: string;
  /** More for the request's line in the log. */
  readonly note: Record<string, string | number | undefined>;
}

export type CoordinatorHandler = (
  exchange: CoordinatorExchange,
  user: User,
) => Promise<void> | void;

export interface CoordinatorRoute {
  readonly path: string;
  readonly methods: readonly Method[];
  /** The reply (status 400) to any other method. */
  readonly wrongMethod: string;
  /** `anyone`: the handler is given nobody's user and looks after itself. */
  readonly access: 'anyone' | 'user' | 'admin';
  readonly handle: CoordinatorHandler;
}

/** Takes over the connection of a request with `Upgrade`; it answers and checks who it is by itself. */
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export interface CoordinatorServerOptions {
  readonly doorkeeper: Doorkeeper;
  readonly routes: readonly CoordinatorRoute[];
  /** Handles what names a buildlet in `X-Buildlet-Proxy`. */
  readonly relay: (exchange: CoordinatorExchange, user: User, name: string) => Promise<void>;
  readonly upgrades?: ReadonlyMap<string, UpgradeHandler> | undefined;
  readonly tls?: TlsIdentity | undefined;
  readonly log: Log;
  /** Told of each request that is over. */
  readonly onDone?: ((done: { path: string; status: number; ms: number }) => void) | undefined;
}

export const nobody: User = { name: '', isAdmin: false };

/** How long a request's header may take, in ms: one that dribbles in holds a connection for no longer. */
const headersTimeoutMs = 20_000;

export interface CoordinatorServer {
  readonly server: Server;
  /** Resolves when no request is being served; upgraded connections do not count. */
  quiet(): Promise<void>;
}

/** Makes the server; the caller lets it listen and closes it. */
export function createCoordinatorServer(options: CoordinatorServerOptions): CoordinatorServer {
  const routes = new Map(options.routes.map((route) => [route.path, route]));
  let running = 0;
  let waiting: (() => void)[] = [];
  const server = createBareServer((request, response) => {
    running++;
    response.once('close', () => {
      running--;
      if (running > 0) return;
      for (const resolve of waiting) resolve();
      waiting = [];
    });
    void serve(routes, options, request, response);
  }, options.tls);
  server.headersTimeout = headersTimeoutMs;
  server.on('upgrade', (request, socket, head) => {
    const handler = options.upgrades?.get(splitTarget(request.url ?? '').path);
    socket.on('error', () => undefined);
    if (handler !== undefined) handler(request, socket, head);
    else
      socket.end(
        'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nnothing to upgrade to here\n',
      );
  });
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
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const startMs = Date.now();
  const { path, query } = splitTarget(request.url ?? '/');
  const note: CoordinatorExchange['note'] = {};
  const id = randomBytes(6).toString('hex');
  const exchange = { request, response, query, signal: signalOf(response), id, note };
  response.once('close', () => {
    const status = response.headersSent ? response.statusCode : 0;
    const ms = Date.now() - startMs;
    const cut = response.writableFinished ? undefined : true;
    const kind = note.buildlet === undefined ? 'other' : 'relay';
    options.onDone?.({ path: routes.has(path) && kind === 'other' ? path : kind, status, ms });
    options.log.write('request', {
      id,
      address: request.socket.remoteAddress,
      method: request.method,
      path,
      status,
      ms,
      cut,
      ...note,
    });
  });
  try {
    await dispatch(routes.get(path), options, exchange);
  } catch (error) {
    note.error = messageOf(error);
    sendError(response, error);
  }
}

async function dispatch(
  route: CoordinatorRoute | undefined,
  options: CoordinatorServerOptions,
  exchange: CoordinatorExchange,
): Promise<void> {
  const { request, response, note } = exchange;
  const names = namesIn(request);
  if (names.length > 1) return sendError(response, 400, `more than one ${proxyHeader} header`);
  const [name] = names;
  if (name === undefined && route === undefined)
    return sendError(response, 404, '404 page not found');
  let user = nobody;
  if (name !== undefined || route?.access !== 'anyone') {
    const verdict = await options.doorkeeper.check(request);
    if ('status' in verdict) return sendError(response, verdict.status, verdict.text);
    user = verdict.user;
    note.user = user.name;
  }
  if (name !== undefined) {
    note.buildlet = name.slice(0, 120);
    return await options.relay(exchange, user, name);
  }
  if (route === undefined) return;
  if (!route.methods.some((method) => method === request.method)) {
    return sendError(response, 400, route.wrongMethod);
  }
  if (route.access === 'admin' && !user.isAdmin) {
    return sendError(response, 401, 'only for admins');
  }
  await route.handle(exchange, user);
}

/** Every value of the header that names a buildlet: Node joins those that come twice. */
function namesIn({ rawHeaders }: IncomingMessage): string[] {
  const wanted = proxyHeader.toLowerCase();
  return rawHeaders.flatMap((value, at) =>
    at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === wanted ? [value] : [],
  );
}
