// Puts a coordinator together from its configuration and serves it.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { GomoteError, messageOf } from '../errors.ts';
import { undefinedIfAbsent } from '../files/if-there.ts';
import { UsedNames } from '../files/used-names.ts';
import { writeWhole } from '../files/write-whole.ts';
import { fingerprintOf } from '../http/client/pin.ts';
import { listen } from '../http/server/listen.ts';
import { acceptProxyHeaders } from '../http/server/proxy-protocol.ts';
import { closeServer } from '../http/server/server.ts';
import { timeoutSignal } from '../timeout-signal.ts';
import { withCause } from './audit.ts';
import type { CoordinatorConfig } from './config.ts';
import { Coordinator } from './coordinator.ts';
import { Authenticator } from './http/authenticator.ts';
import { Followers } from './http/followers.ts';
import { relay } from './http/handlers/relay.ts';
import { routesOf } from './http/routes.ts';
import { RunAudit } from './http/run-audit.ts';
import { createCoordinatorServer } from './http/server.ts';
import { auditIn, both, fileLog, type Log } from './log.ts';
import { createMetrics } from './metrics.ts';
import { SignIn } from './oidc/sign-in.ts';
import { History } from './page/history.ts';
import { PoolLoads } from './page/pool-loads.ts';
import { StatusPage } from './page/status-page.ts';
import { KeptSetups } from './pools/kept-setups.ts';
import { openPools } from './pools/open-pools.ts';
import { ReverseGate } from './pools/reverse-gate.ts';
import { readinessOf } from './readiness.ts';
import { reload } from './reload.ts';
import { runsReplyBytes } from './sessions/listed-runs.ts';
import { Snapshots } from './snapshots/snapshots.ts';
import { Drains } from './state/drains.ts';
import { OperatorAccess } from './state/operator-access.ts';
import { SessionBook } from './state/session-book.ts';
import { openStateDirectory } from './state/state-directory.ts';
import { tlsIdentity } from './state/tls-identity.ts';
import type { Users } from './state/users.ts';
import { watchUsers } from './state/watched-users.ts';
import { CoordinatorStore } from './store/coordinator-store.ts';

interface ServeOptions {
  readonly environment: NodeJS.ProcessEnv;
  readonly log: Log;
  /** Ends the wait for a coordinator on another machine that has the state directory. */
  readonly signal?: AbortSignal | undefined;
  /** The state directory was lost to another machine's: this one is to end. */
  readonly onLost?: (() => void) | undefined;
}

export interface Serving {
  readonly coordinator: Coordinator;
  /** `https://HOST:PORT`, or `unix:PATH`. */
  readonly url: string;
  /** `sha256:…` of the certificate; undefined without TLS. */
  readonly fingerprint: string | undefined;
  readonly users: Users;
  /** Takes another configuration over, as a whole; throws ERR_CONFIG when that cannot be, and keeps the old one. */
  reload(next: CoordinatorConfig): Promise<void>;
  /** Takes no new creates, lets what runs finish for so long, saves, and ends. Machines stay. */
  drain(graceMs: number): Promise<void>;
  /** Cuts what a drain waits for. */
  hurry(): void;
}

/** How long a machine may take to say how a run ended, in ms. */
const askTimeoutMs = 10_000;

const unreadHint =
  'its machine is left alone; correct the file and take ".broken" off its name, or remove it, and start the coordinator again';

/** Starts a coordinator in this process; it answers when the promise resolves. */
export async function serve(config: CoordinatorConfig, options: ServeOptions): Promise<Serving> {
  const { log } = options;
  const onTrouble = (what: string) => log.write('trouble', { what });
  const directory = await openStateDirectory(config.stateDirectory, {
    signal: options.signal,
    onWaiting: (host) => log.write('waiting', { for: host, directory: config.stateDirectory }),
    onLost: options.onLost,
  });
  try {
    const tls = await tlsIdentity(config, directory.path);
    const book = await SessionBook.open(directory.sessionsPath, (what, error) =>
      log.write('unread-session', { what: `${what}: ${messageOf(error)}`, hint: unreadHint }),
    );
    const owner = await ownId(directory.path);
    const drains = await Drains.open(join(directory.path, 'drains.json'));
    const gate = new ReverseGate(log);
    const { environment } = options;
    const { team, probeIntervalMs, graceMs } = config;
    const place = {
      ...{ stateDirectory: directory.path, owner, team, environment },
      keptSetups: await KeptSetups.open(directory.path, log),
      ...{ log, gate, probeIntervalMs, graceMs, isDrained: drains.isDrained },
    };
    const auditPath = join(directory.path, 'audit.jsonl');
    const trail = config.auditTo === 'log' ? auditIn(log) : fileLog(auditPath, log);
    const usersPath = config.usersFile ?? directory.usersPath;
    const access = new OperatorAccess(directory.path);
    const limits = { ...config.limits };
    const followers = new Followers();
    const store = CoordinatorStore.of({
      ...config.store,
      stateDirectory: directory.path,
      lifeOf: (user) => users.lifeOf(user),
    });
    const readiness = () => readinessOf({ coordinator, book, users });
    const snapshots = await Snapshots.open({
      ...config.snapshots,
      stateDirectory: directory.path,
      lifeOf: (user) => users.lifeOf(user),
      audit: { write: (event, fields) => audit.write(event, fields) },
      log,
      places: () => coordinator,
    });
    const metrics = await createMetrics(() => coordinator, readiness, store, snapshots);
    const history = await History.open({
      path: join(directory.path, 'history.jsonl'),
      keepMs: config.historyMs,
      onTrouble,
    });
    const audit = withCause(both(both(trail, metrics.audited), history));
    const { users, close: closeUsers } = await watchUsers({
      ...{ path: usersPath, stateDirectory: directory.path, log, audit },
    });
    const runs = new RunAudit({
      log: audit,
      intervalMs: probeIntervalMs,
      ask: async (session, path) => {
        const found = book.get(session.name);
        if (found?.state !== 'running') return undefined;
        const { relay: way } = await coordinator.use(found);
        return (await way.get(path, timeoutSignal(askTimeoutMs), runsReplyBytes)).text;
      },
    });
    const coordinator: Coordinator = new Coordinator({
      ...config,
      ...{ book, drains, limits },
      names: new UsedNames(resolve(directory.path, 'names')),
      isUser: (name) => users.has(name),
      pools: await openPools(config.pools, place),
      log,
      audit,
    });
    const authenticator = new Authenticator(users, log, access.token);
    const loads = new PoolLoads({
      path: join(directory.path, 'loads.json'),
      now: () => coordinator.views.loads,
      onTrouble,
    });
    coordinator.changes.watch(() => loads.look());
    const page = new StatusPage({
      ...{
        log,
        audit,
        coordinator,
        authenticator,
        users,
        readiness,
        loads,
        graceMs,
        book,
        history,
      },
      withArguments: config.auditArguments,
      loginsPath: join(directory.path, 'logins.json'),
      isSecure: (request) => tls !== undefined || config.proxies.saysTls(request),
    });
    const signIn = new SignIn({ users, page, audit });
    signIn.use(config.oidc);
    const { server, quiet } = createCoordinatorServer({
      authenticator,
      routes: [
        ...routesOf({ coordinator, audit, metrics, readiness, config, gate, snapshots, store }),
        ...page.routes,
        ...signIn.routes,
      ],
      relay: relay(
        coordinator,
        { log: audit, runs, withArguments: config.auditArguments },
        {
          forward: config.forward,
          followers,
          store,
        },
      ),
      proxies: config.proxies,
      audit,
      onDone: metrics.request,
      tls,
      log,
    });
    if (config.proxyProtocol) {
      acceptProxyHeaders(server, config.proxies, (from, reason) =>
        log.write('proxy-refused', { address: from, reason }),
      );
    }
    const address = await listen(server, config.listen);
    coordinator.start();
    snapshots?.start();
    const url = address.startsWith('unix:') ? address : `${tls ? 'https' : 'http'}://${address}`;
    const fingerprint = tls && `sha256:${fingerprintOf(tls.certPem)}`;
    await access.open(url, fingerprint);
    log.write('listening', { url, fingerprint });
    if (users.isEmpty && config.oidc === undefined) {
      log.write('no-users', {
        what: `nobody can use this coordinator: ${usersPath} has no user with a token`,
        hint: 'coordinator user add NAME',
      });
    }
    const running = { coordinator, server, users, audit: trail, place, limits, signIn };
    let current = config;
    return {
      coordinator,
      reload: async (next) => {
        await reload(running, current, next);
        current = next;
        log.write('reloaded');
      },
      url,
      fingerprint,
      users,
      hurry: () => server.closeAllConnections(),
      drain: async (graceMs) => {
        coordinator.drain();
        gate.close();
        page.close();
        const followersEnded = followers.end(
          new GomoteError('ERR_CLOSED', 'the coordinator is ending'),
        );
        const closed = closeServer(server, graceMs);
        await quiet();
        followersEnded();
        // With it go the connections of machines that dialled, which the server waits for.
        snapshots?.close();
        await coordinator.close();
        await closed;
        runs.close();
        await closeUsers();
        await Promise.all([loads.close(), history.close(), store?.close()]);
        await trail.close();
        await access.close();
        await directory.release();
        log.write('ended');
      },
    };
  } catch (error) {
    await directory.release();
    throw error;
  }
}

/** What this coordinator's machines are known by; made once and kept. */
async function ownId(directory: string): Promise<string> {
  const path = join(directory, 'id');
  const known = await readFile(path, 'utf8').catch(undefinedIfAbsent);
  if (known !== undefined) return known.trim();
  const id = `pool-${randomBytes(3).toString('hex')}`;
  await writeWhole(path, `${id}\n`);
  return id;
}
