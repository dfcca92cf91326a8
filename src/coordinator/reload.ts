// Reloads the configuration of a running coordinator: it is applied as a whole, or refused as a whole.
import type { Server } from 'node:http';
import { Server as TlsServer } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { GomoteError } from '../errors.ts';
import { readNamedSecret } from '../files/private-file.ts';
import { checkIdentity, type TlsIdentity } from '../http/server/server.ts';
import type { CoordinatorConfig } from './config.ts';
import type { Coordinator } from './coordinator.ts';
import type { ReopenedLog } from './log.ts';
import type { SignIn } from './oidc/sign-in.ts';
import type { PoolConfig } from './pool-config.ts';
import { type OpenedPool, openPools, type PoolPlace } from './pools/open-pools.ts';
import { poolChanges } from './pools/pool-changes.ts';
import { tlsIdentity } from './state/tls-identity.ts';
import type { Users } from './state/users.ts';

interface Running {
  readonly coordinator: Coordinator;
  readonly server: Server;
  readonly users: Users;
  readonly audit: ReopenedLog;
  readonly place: PoolPlace;
  readonly signIn: SignIn;
  /** What all that obeys the limits looks at. */
  readonly limits: {
    -readonly [Name in keyof CoordinatorConfig['limits']]: CoordinatorConfig['limits'][Name];
  };
}

/** Keys that are read at the start only. */
const fixed = {
  listen: ({ listen }) => listen,
  'trusted-proxies': ({ proxies }) => proxies.list,
  'proxy-protocol': ({ proxyProtocol }) => proxyProtocol,
  'state-directory': ({ stateDirectory }) => stateDirectory,
  'users-file': ({ usersFile }) => usersFile,
  team: ({ team }) => team,
  // Other files of a certificate are another matter.
  tls: ({ tls }) => (typeof tls === 'string' ? tls : 'files'),
  'probe-interval': ({ probeIntervalMs }) => probeIntervalMs,
  'grace-time': ({ graceMs }) => graceMs,
  'drain-timeout': ({ drainMs }) => drainMs,
  'open-metrics': ({ openMetrics }) => openMetrics,
  'audit-to': ({ auditTo }) => auditTo,
  'audit-arguments': ({ auditArguments }) => auditArguments,
  snapshots: ({ snapshots }) => snapshots,
  history: ({ historyMs }) => historyMs,
} satisfies Record<string, (config: CoordinatorConfig) => unknown>;

/**
 * Takes the configuration over: limits, pools, users, the provider that signs people in, the files of the certificate, and the audit file, which is opened
 * again. Throws ERR_CONFIG, and then nothing has changed.
 */
export async function reload(
  running: Running,
  before: CoordinatorConfig,
  after: CoordinatorConfig,
): Promise<void> {
  const { coordinator, server, users, audit, place, limits, signIn } = running;
  for (const [key, read] of Object.entries(fixed)) {
    if (isDeepStrictEqual(read(before), read(after))) continue;
    const hint = 'start the coordinator again for that; sessions continue';
    throw new GomoteError('ERR_CONFIG', `${key} cannot be changed by a reload`, { hint });
  }
  const identity = await tlsIdentity(after, place.stateDirectory);
  if (identity !== undefined) checkIdentity(identity);
  users.list();
  if (users.trouble !== undefined) throw new GomoteError('ERR_CONFIG', users.trouble);
  const secretFile = after.oidc?.clientSecretFile;
  if (secretFile !== undefined) readNamedSecret('client-secret-file', secretFile);
  const { added, ...changes } = poolChanges(before.pools, after.pools);
  const opened = await openAll(added, place);
  // Nothing below can fail.
  Object.assign(limits, after.limits);
  useIdentity(server, identity);
  signIn.use(after.oidc);
  audit.reopen();
  coordinator.reconfigure({ catalogue: after.catalogue, added: opened, ...changes });
  for (const pool of changes.changed) {
    if (pool.kind === 'reverse') place.gate.setKeyFile(pool.name, pool.keyFile);
  }
  for (const { name } of changes.removed) place.gate.remove(name);
}

/** Opens all or none. */
async function openAll(added: readonly PoolConfig[], place: PoolPlace): Promise<OpenedPool[]> {
  try {
    return await openPools(added, place);
  } catch (error) {
    for (const { name } of added) place.gate.remove(name);
    throw error;
  }
}

function useIdentity(server: Server, identity: TlsIdentity | undefined): void {
  if (identity === undefined || !(server instanceof TlsServer)) return;
  server.setSecureContext({ cert: identity.certPem, key: identity.keyPem });
}
