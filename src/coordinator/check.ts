// `coordinator check`: reads every file that a configuration names, and reports faults and dangerous settings.
import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { sharedPlaces, type UserIds } from '../backends/local/own-users.ts';
import { errnoOf, GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { lockHolder } from '../files/file-lock.ts';
import { isLoopback, type ListenAddress } from '../http/server/listen.ts';
import { checkIdentity } from '../http/server/server.ts';
import type { CoordinatorConfig } from './config.ts';
import { OidcProvider } from './oidc/provider.ts';
import type { PoolConfig } from './pool-config.ts';
import { requireConfinement } from './pools/open-pools.ts';
import { keysIn } from './pools/reverse-gate.ts';
import { secretsOf } from './pools/static-credentials.ts';
import { usersPathOf } from './state/state-directory.ts';
import { tlsIdentity } from './state/tls-identity.ts';
import { Users } from './state/users.ts';

interface Report {
  /** Faults that keep the coordinator, or a part of it, from working. */
  readonly faults: string[];
  /** Settings that an admin may not want. */
  readonly warnings: string[];
  /** The promises of the pools about their machines. */
  readonly promises: string;
}

const dayMs = 86_400_000;
const renewalMs = 14 * dayMs;

/** Checks everything, even after the first fault. */
export async function check(
  config: CoordinatorConfig,
  environment: NodeJS.ProcessEnv,
): Promise<Report> {
  const faults: string[] = [];
  const warnings: string[] = [];
  const tried = async (work: () => unknown) => {
    try {
      await work();
    } catch (error) {
      faults.push(messageOf(error));
    }
  };
  await tried(() => checkCertificate(config, warnings));
  await tried(() => checkUsers(config, warnings));
  await tried(() => checkProvider(config, warnings));
  for (const pool of config.pools) {
    const inPool = (what: string, read: () => unknown) =>
      tried(() => {
        try {
          read();
        } catch (error) {
          throw new GomoteError('ERR_CONFIG', `[pools.${pool.name}] ${what}${messageOf(error)}`);
        }
      });
    if (pool.kind === 'reverse') await inPool('', () => haveKeys(pool.keyFile));
    if (pool.kind !== 'static') continue;
    for (const machine of pool.machines) {
      await inPool(`${machine.address}: `, () => {
        const { keyPair } = secretsOf(machine);
        if (keyPair !== undefined) checkIdentity(keyPair);
      });
    }
  }
  const holder = await lockHolder(join(config.stateDirectory, 'lock'));
  if (holder === undefined) await tried(() => checkPort(config.listen));
  warnings.push(...dangersOf(config));
  let promises = '';
  await tried(async () => {
    promises = await describeGuarantees(config.pools, environment);
  });
  return { faults, warnings, promises };
}

async function checkCertificate(config: CoordinatorConfig, warnings: string[]): Promise<void> {
  if (typeof config.tls === 'string') return;
  const identity = await tlsIdentity(config, config.stateDirectory);
  if (identity === undefined) return;
  checkIdentity(identity);
  const { validFrom, validTo } = new X509Certificate(identity.certPem);
  const leftMs = Date.parse(validTo) - Date.now();
  const where = `tls: the certificate ${config.tls.certFile}`;
  if (leftMs < 0) throw new GomoteError('ERR_CONFIG', `${where} expired on ${validTo}`);
  if (Date.parse(validFrom) > Date.now()) {
    throw new GomoteError('ERR_CONFIG', `${where} is not valid before ${validFrom}`);
  }
  if (leftMs < renewalMs) warnings.push(`${where} expires on ${validTo}: renew it`);
}

function checkUsers({ usersFile, stateDirectory }: CoordinatorConfig, warnings: string[]): void {
  const path = usersFile ?? usersPathOf(stateDirectory);
  const nobody = `nobody can use it: ${path} has no user with a token; coordinator user add NAME`;
  if (!existsSync(path) || new Users(path).isEmpty) warnings.push(nobody);
}

/** One that does not answer now may do so later, and is not known to be wrong. */
async function checkProvider({ oidc }: CoordinatorConfig, warnings: string[]): Promise<void> {
  if (oidc === undefined) return;
  try {
    const lacks = await new OidcProvider(oidc).check();
    warnings.push(...lacks.map((what) => `[oidc] ${oidc.issuer}: ${what}`));
  } catch (error) {
    if (!isGomoteError(error, 'ERR_UNAVAILABLE')) {
      throw new GomoteError('ERR_CONFIG', `[oidc] ${messageOf(error)}`);
    }
    warnings.push(
      `[oidc] ${messageOf(error)}: it was not checked, and nobody can sign in by it now`,
    );
  }
}

function haveKeys(keyFile: string): void {
  if (keysIn(keyFile).length === 0) throw new Error(`key-file: ${keyFile} has no key`);
}

/** Whether the address can be listened on; an existing socket is replaced if nothing listens. */
async function checkPort(address: ListenAddress): Promise<void> {
  if (address.kind === 'unix') return;
  const { host, port } = address;
  if (port === 0) return;
  await new Promise<void>((resolve, reject) => {
    const server = createServer();
    server.once('error', (error) => {
      const isUsed = errnoOf(error) === 'EADDRINUSE';
      const why = isUsed ? 'another program listens there' : messageOf(error);
      reject(new GomoteError('ERR_CONFIG', `listen: ${host}:${port}: ${why}`));
    });
    server.listen(port, host === '' ? undefined : host, () => server.close(() => resolve()));
  });
}

function dangersOf({ listen, tls, proxies, openMetrics, pools }: CoordinatorConfig): string[] {
  const isOpen = !isLoopback(listen);
  const cases: [boolean, string][] = [
    [
      isOpen && tls === 'off',
      'tls = "off" on an address that others reach: tokens pass in the clear, unless only a balancer can reach it',
    ],
    [
      isOpen && openMetrics,
      'open-metrics on an address that others reach: anybody sees names and use',
    ],
    [
      proxies.list.some((text) => /\/0$/.test(text)),
      'trusted-proxies has every address: anybody can say to be anybody, in the log and the audit trail',
    ],
    ...pools.map((pool): [boolean, string] => [
      pool.kind === 'local' && pool.machine.isolation === 'none' && pool.users === undefined,
      `[pools.${pool.name}] isolation = "none": every user's commands can read the coordinator's keys and state`,
    ]),
    ...pools.flatMap((pool) =>
      (pool.kind === 'static' ? pool.machines : []).map((machine): [boolean, string] => [
        machine.keyPairFile === undefined && machine.passwordFile === undefined,
        `[pools.${pool.name}] ${machine.address} has no key pair and no password: whoever reaches it commands it`,
      ]),
    ),
  ];
  return cases.flatMap(([isSo, text]) => (isSo ? [text] : []));
}

/** A paragraph a pool. Throws ERR_CONFIG where one cannot do what its configuration says. */
async function describeGuarantees(
  pools: readonly PoolConfig[],
  environment: NodeJS.ProcessEnv,
): Promise<string> {
  const lines: string[] = [];
  for (const pool of pools) {
    if (pool.kind === 'local') await requireConfinement(pool, environment);
    lines.push(...promisesOf(pool).map((line) => `[pools.${pool.name}] ${line}\n`));
  }
  return lines.join('');
}

const ownUsers = ({ first, last }: UserIds): string =>
  `each machine has a user of its own, with an id from ${first} to ${last}`;

function promisesOf(pool: PoolConfig): string[] {
  switch (pool.kind) {
    case 'local':
      return pool.machine.isolation === 'bubblewrap'
        ? [
            'local, in sandboxes: commands see the system read-only and no other files of this machine',
            'cleaned between users: everything, each user gets a sandbox of their own',
            ...(pool.users === undefined ? [] : [ownUsers(pool.users)]),
          ]
        : pool.users !== undefined
          ? [
              `local, not in sandboxes: commands can read what every user of this machine can`,
              ownUsers(pool.users),
              `cleaned between users: the processes of that user, its files in ${sharedPlaces.join(', ')}`,
            ]
          : [
              "local, NOT CONFINED: every user's commands can read and change what the coordinator can,",
              'such as its keys, its state and the files of other users; isolation = "bubblewrap" confines them',
            ];
    case 'backend':
      return [
        `${pool.backend.kind}: cleaned between users: everything, each user gets a machine of their own`,
      ];
    case 'static':
    case 'reverse':
      return [
        `${pool.kind}: machines go from one user to the next`,
        'cleaned between users: the work directory, temporary files, the output of runs, and processes that can be found',
        'NOT CLEANED: files elsewhere, such as in HOME and /tmp; processes that hide; accounts, services, containers',
        pool.resetCommand === undefined
          ? 'reset = "command" would run your own cleaning there; buildlet --isolation bubblewrap leaves nothing behind'
          : 'then your reset command is run; a machine on which it fails is taken out of service',
      ];
  }
}
