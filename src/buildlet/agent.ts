// A buildlet: its endpoints, commands and lease, and its shutdown.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { messageOf } from '../errors.ts';
import { makePrivateDirectory } from '../files/private-directory.ts';
import { removeTree } from '../files/remove-tree.ts';
import { temporaryDirectory } from '../files/user-directories.ts';
import { Hold, serveHold } from '../http/server/hold.ts';
import { withIdleLimit } from '../http/server/idle-limit.ts';
import { LateTrailers } from '../http/server/late-trailers.ts';
import { boundAt, type ListenAddress, listen } from '../http/server/listen.ts';
import { sendEmpty } from '../http/server/reply.ts';
import { closeServer, createHttpServer, type Route } from '../http/server/server.ts';
import { type Endpoint, endpoints } from '../protocol/endpoints.ts';
import { buildletFeatures } from '../protocol/features.ts';
import { pingIntervalMs } from '../protocol/session.ts';
import type { StoreOptions } from '../store/content-store.ts';
import { DigestCache } from '../tree/digest-cache.ts';
import { Thread } from '../worker/thread.ts';
import { Activity, during } from './activity.ts';
import { type CachePlace, linksOf } from './caches.ts';
import { PipeStock } from './command/output-pipe.ts';
import { openCommands } from './commands.ts';
import type { Confinement } from './confinement.ts';
import { liveness, status, workDirPath } from './handlers/about.ts';
import { exec } from './handlers/exec.ts';
import { Forwards, listPorts } from './handlers/forward.ts';
import { getTar } from './handlers/get-tar.ts';
import { list } from './handlers/list.ts';
import { putTar } from './handlers/put-tar.ts';
import { removeAll } from './handlers/remove-all.ts';
import { reset } from './handlers/reset.ts';
import { session } from './handlers/session.ts';
import {
  listSessions,
  sessionDetach,
  sessionInput,
  sessionPing,
  sessionResize,
  sessionSignal,
} from './handlers/session-control.ts';
import { file, write } from './handlers/write.ts';
import { Lease } from './lease.ts';
import type { ListingThread } from './listing/examine-all.ts';
import { type SessionLimits, SessionTable } from './runs/table.ts';
import { Ahead } from './trees/ahead.ts';
import { WorkDirIdentity } from './trees/identity.ts';
import type { TreeThread } from './trees/jobs.ts';
import { treeRoutes } from './trees/routes.ts';
import { removeLeftStages, stageIn } from './trees/stage.ts';
import { openWorkDir, type WorkDirPlace } from './work-dir.ts';

export interface AgentOptions extends WorkDirPlace {
  readonly address: ListenAddress;
  /** Where its temporary files are made, such as the logs of runs. Default: as the environment of this process says. */
  readonly temporaryDirectory?: string | undefined;
  /** Empty or absent: none is required. */
  readonly password?: string | undefined;
  readonly tls?: { readonly certPem: string; readonly keyPem: string } | undefined;
  readonly idleTimeoutMs?: number | undefined;
  readonly maxLifetimeMs?: number | undefined;
  /** Ends when no client has held it for this long. Absent: it need not be held. */
  readonly holdMs?: number | undefined;
  /** The environment of every command, without `META_*`. PWD and TMPDIR, if present, are replaced by the command's own. */
  readonly environment: NodeJS.ProcessEnv;
  readonly confinement?: Confinement | undefined;
  readonly sessions?: SessionLimits | undefined;
  /** The time limit without data for an upload. Default: an hour. */
  readonly uploadIdleMs?: number | undefined;
  /** The extensions to announce and serve. Default: all. */
  readonly features?: readonly string[] | undefined;
  /** Called before a request is served. If it throws, the request fails with that error. */
  readonly onRequest?: ((endpoint: Endpoint) => void) | undefined;
  /** Where contents of pushes are kept for the next buildlet. Absent: nowhere. */
  readonly store?: StoreOptions | undefined;
  /** Directories of the machine that outlive it, with links to them. */
  readonly caches?: readonly CachePlace[] | undefined;
  /** One line of talk. */
  readonly log: (line: string) => void;
}

export interface Agent {
  /** `unix:PATH` or `HOST:PORT`. */
  readonly address: string;
  readonly workDir: string;
  /** Resolves with the reason once it is asked to end, or its lease has expired. */
  readonly ending: Promise<string>;
  /** Serves requests on an existing connection as if it had been accepted here. */
  serve(connection: Duplex): void;
  /** Ends all commands, closes all connections and removes what the buildlet created. */
  close(): Promise<void>;
}

/** How long commands have between TERM and KILL when the buildlet ends. */
const endGraceMs = 1_000;

/** The time limit for pending replies when the buildlet ends. */
const replyGraceMs = 1_000;

/** The process that feeds an upload through a pipe may be silent for long. */
const defaultUploadIdleMs = 3_600_000;

export const uploads: readonly Endpoint[] = [
  endpoints.write,
  endpoints.file,
  endpoints.putTar,
  endpoints.treeApply,
];

/** The prefix of the names of its private directories. */
const scratchPrefix = 'buildlet-';

/** Starts a buildlet in this process; it answers when the promise resolves. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const parent = options.temporaryDirectory ?? temporaryDirectory(process.env);
  const scratch = mkdtempSync(join(parent, scratchPrefix));
  try {
    makePrivateDirectory(scratch, 'the temporary directory', 'set TMPDIR');
    const agent = await startIn(scratch, options);
    removeLeftStages(parent, scratchPrefix).catch(() => undefined);
    return agent;
  } catch (error) {
    boundAt(options.address)?.close();
    await removeTree(scratch);
    throw error;
  }
}

/** The store, unless it cannot be created or others could change it: pushes work without one. */
function usable({ store, log }: AgentOptions): StoreOptions | undefined {
  try {
    if (store !== undefined) makePrivateDirectory(store.root, 'the content store');
    return store;
  } catch (error) {
    log(`warning: nothing is stored: ${messageOf(error)}`);
    return undefined;
  }
}

/** Runs with a private directory `scratch`, which is removed at the end. */
async function startIn(scratch: string, options: AgentOptions): Promise<Agent> {
  const { features = buildletFeatures, uploadIdleMs = defaultUploadIdleMs } = options;
  let end: (reason: string) => void = () => undefined;
  const ending = new Promise<string>((resolve) => {
    end = resolve;
  });
  const store = usable(options);
  const pipesDir = join(scratch, 'pipes');
  mkdirSync(pipesDir, { mode: 0o700 });
  const pipes = new PipeStock(pipesDir);
  let filled: Promise<void> | undefined;
  const workDir = openWorkDir(options, scratch);
  const lease = new Lease({ ...options, onExpired: end });
  const hold = new Hold(() => end('its client has gone'));
  const confined = await openCommands({
    ...options,
    workDir: workDir.path,
    scratch,
    pipes,
  });
  const { commands, emptied, link } = confined;
  const ownLinks = () => linksOf(options.caches ?? [], workDir.path);
  const limits = { directory: scratch, ...options.sessions };
  const settings = { workDir: workDir.path, stage: stageIn(scratch), store };
  const trees: TreeThread = new Thread('tree-worker', settings);
  const ahead = new Ahead(trees, scratch);
  const activity = new Activity(workDir.path, () => ahead.commandBegins());
  const sessions = await SessionTable.create(confined, limits, () => {
    const [unused, ended] = [lease.use(), activity.begin()];
    return () => {
      unused();
      ended();
    };
  });
  const pingMs = options.sessions?.pingMs ?? pingIntervalMs;
  const digests = new DigestCache();
  const listings: ListingThread = new Thread('listing-worker');
  const late = new LateTrailers();
  const forwards = new Forwards(commands.sockets);
  const routes: Route[] = [
    { endpoint: endpoints.liveness, handle: liveness(lease) },
    { endpoint: endpoints.status, handle: status(features, confined.status) },
    { endpoint: endpoints.workDir, handle: workDirPath(workDir.path) },
    { endpoint: endpoints.list, handle: list(workDir.path, digests, listings, features) },
    {
      endpoint: endpoints.getTar,
      handle: getTar({ workDir: workDir.path, ownLinks }, features, late),
    },
    { endpoint: endpoints.write, handle: write(workDir.path, features) },
    { endpoint: endpoints.file, handle: file(workDir.path, late) },
    { endpoint: endpoints.putTar, handle: putTar(workDir.path, features) },
    { endpoint: endpoints.trailer, handle: late.handle },
    { endpoint: endpoints.exec, handle: during(activity, exec(commands, late)) },
    ...treeRoutes(trees, new WorkDirIdentity(workDir.path), features, activity, ahead),
    { endpoint: endpoints.removeAll, handle: removeAll(workDir.path) },
    { endpoint: endpoints.session, handle: session(sessions, pingMs) },
    { endpoint: endpoints.sessions, handle: listSessions(sessions) },
    { endpoint: endpoints.sessionInput, handle: sessionInput(sessions) },
    { endpoint: endpoints.sessionSignal, handle: sessionSignal(sessions) },
    { endpoint: endpoints.sessionResize, handle: sessionResize(sessions) },
    { endpoint: endpoints.sessionPing, handle: sessionPing(sessions) },
    { endpoint: endpoints.sessionDetach, handle: sessionDetach(sessions) },
    { endpoint: endpoints.hold, handle: (exchange) => serveHold(hold, exchange, pingMs) },
    { endpoint: endpoints.forward, handle: forwards.handle },
    { endpoint: endpoints.forwardPorts, handle: listPorts(commands) },
    {
      endpoint: endpoints.reset,
      handle: reset({ workDir: workDir.path, emptied, link, commands, sessions, ahead }),
    },
    {
      endpoint: endpoints.halt,
      handle: ({ response }) => {
        response.once('close', () => end('it was halted'));
        sendEmpty(response);
      },
    },
  ];
  const server = createHttpServer({
    routes: routes
      .filter(({ endpoint: { feature } }) => feature === undefined || features.includes(feature))
      .map(({ endpoint, handle }) => ({
        endpoint,
        handle: uploads.includes(endpoint) ? withIdleLimit(handle, uploadIdleMs) : handle,
      })),
    password: options.password,
    tls: options.tls,
    onExchange: (endpoint) => {
      options.onRequest?.(endpoint);
      // A liveness check does not count as use.
      return endpoint === endpoints.liveness ? () => undefined : lease.use();
    },
    onError: (error, request) =>
      options.log(`${request.method} ${request.url?.split('?')[0]}: ${messageOf(error)}`),
  });
  const close = async () => {
    lease.stop();
    hold.release();
    const closed = closeServer(server, endGraceMs + replyGraceMs, options.address);
    sessions.end();
    forwards.close();
    await commands.endAll(endGraceMs);
    await closed;
    // Where processes cannot be found by their mark, each run ends its own processes.
    await sessions.clear();
    confined.release();
    await ahead.release();
    await Promise.all([trees.close(), listings.close()]);
    await Promise.all([workDir.release(), sessions.remove(), filled]);
    await removeTree(scratch);
  };
  try {
    await confined.ready;
    const address = await listen(server, options.address);
    // No client need wait for them.
    filled = pipes.fill().catch(() => undefined);
    if (store !== undefined) ahead.make();
    if (options.holdMs !== undefined) hold.expect(options.holdMs);
    const serve = (connection: Duplex) => void server.emit('connection', connection);
    return { address, workDir: workDir.path, ending, serve, close };
  } catch (error) {
    await close();
    throw error;
  }
}
