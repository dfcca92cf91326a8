// coordinator.toml: where to listen, who may have how much, and where machines come from.
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { buildersSchema, hostsSchema, toCatalogue } from '../backends/catalogue.ts';
import { backendsSchema, toBackends } from '../backends/config.ts';
import { readSetupsOf } from '../backends/setup-files.ts';
import type { Catalogue } from '../builders.ts';
import { badValue, parseFile } from '../config/file.ts';
import {
  durationSchema,
  namedValues,
  nameSchema,
  positiveDurationSchema,
  tableOf,
} from '../config/values.ts';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { reasonOf } from '../files/local-error.ts';
import { readTrustedFile } from '../files/private-file.ts';
import { type ListenAddress, parseListenAddress } from '../http/server/listen.ts';
import { TrustedProxies } from '../http/server/trusted-proxies.ts';
import { parseMemory } from '../protocol/memory-size.ts';
import { priorities } from '../protocol/priority.ts';
import { minStoreBytes } from '../store/store-size.ts';
import { oidcSchema, toOidc } from './oidc/config.ts';
import { checkPools, count, optionally, poolSchema, toPool } from './pool-config.ts';

const schema = tableOf(
  {
    listen: v.optional(v.string(), '127.0.0.1:8443'),
    /** Balancers that are trusted to report the origin of connections and requests. */
    'trusted-proxies': v.optional(v.array(v.string()), []),
    /** Whether connections of trusted proxies may begin with a header of the PROXY protocol. */
    'proxy-protocol': v.optional(v.boolean(), false),
    'state-directory': v.string(),
    /** The file of users. Absent: in the state directory. */
    'users-file': v.optional(v.string()),
    /** Coordinators of one team share sessions whose machines are on a platform that stores notes. */
    team: v.optional(nameSchema, 'gomote'),
    /** `self-signed`: made at the first start and kept in the state directory. `off`: plain HTTP. */
    tls: v.optional(
      v.union(
        [
          v.picklist(['self-signed', 'off']),
          tableOf(
            { 'cert-file': v.string(), 'key-file': v.string() },
            { 'cert-file': 'certFile', 'key-file': 'keyFile' },
          ),
        ],
        'tls is "self-signed", "off", or { cert-file, key-file }',
      ),
      'self-signed',
    ),
    limits: v.optional(
      tableOf(
        {
          'per-user': v.optional(count(1), 20),
          idle: v.optional(positiveDurationSchema, '30m'),
          maximum: v.optional(positiveDurationSchema, '24h'),
          /** The default for the highest priority of a user's creates. */
          priority: v.optional(v.picklist(priorities), 'normal'),
        },
        { 'per-user': 'perUser', idle: 'idleMs', maximum: 'maximumMs' },
      ),
      {},
    ),
    'probe-interval': v.optional(positiveDurationSchema, '10s'),
    /** How long a machine in use may be unreachable before its session is given up. */
    'grace-time': v.optional(durationSchema, '5m'),
    /** The time limit for running requests when the coordinator ends. */
    'drain-timeout': v.optional(durationSchema, '30s'),
    /** Whether `/metrics` needs no token. */
    'open-metrics': v.optional(v.boolean(), false),
    /** Whether users may forward ports of buildlets. */
    forward: v.optional(v.boolean(), true),
    /** Where the audit trail is written: to a file in the state directory, or into the log. */
    'audit-to': v.optional(v.picklist(['file', 'log'], 'audit-to is "file" or "log"'), 'file'),
    /** Whether the audit trail contains the arguments of commands. */
    'audit-arguments': v.optional(v.boolean(), true),
    /** How long the page keeps ended buildlets and runs. */
    history: v.optional(durationSchema, '168h'),
    /** Where contents of pushes are kept, so that they need not be sent again. */
    store: v.optional(
      v.strictObject({
        size: v.optional(v.union([v.literal(0), v.string()]), '5g'),
        shared: v.optional(v.boolean(), false),
      }),
      {},
    ),
    /** What users may keep of their work directories. */
    snapshots: v.optional(
      v.strictObject({
        size: v.optional(v.union([v.literal(0), v.string()]), '20g'),
        'per-user': v.optional(v.string(), '10g'),
      }),
      {},
    ),
    /** The provider for sign-ins, in addition to tokens. Absent: none. */
    oidc: v.optional(oidcSchema),
    backends: backendsSchema,
    hosts: hostsSchema,
    builders: buildersSchema,
    pools: namedValues(nameSchema, poolSchema),
  },
  {
    'trusted-proxies': 'proxies',
    'proxy-protocol': 'proxyProtocol',
    'state-directory': 'stateDirectory',
    'users-file': 'usersFile',
    'probe-interval': 'probeIntervalMs',
    'grace-time': 'graceMs',
    'drain-timeout': 'drainMs',
    'open-metrics': 'openMetrics',
    'audit-to': 'auditTo',
    'audit-arguments': 'auditArguments',
    history: 'historyMs',
  },
);

export type CoordinatorConfig = ReturnType<typeof loadCoordinatorConfig>;

/** Reads the file; throws ERR_CONFIG, naming the file, the key and the value. Paths in it are relative to it. */
export function loadCoordinatorConfig(path: string) {
  let bytes: Buffer;
  try {
    bytes = readTrustedFile(path);
  } catch (error) {
    if (isGomoteError(error)) throw error;
    throw new GomoteError('ERR_CONFIG', `cannot read ${path}: ${reasonOf(error)}`, {
      hint: 'give --config FILE',
      cause: error,
    });
  }
  const {
    backends: sections,
    hosts,
    builders,
    ...file
  } = parseFile(path, bytes, schema, 'coordinator.md');
  const at = (relative: string): string => resolve(dirname(path), relative);
  const catalogue = toCatalogue(path, { hosts, builders });
  checkSetups(path, catalogue);
  checkBuilderCaches(path, catalogue);
  const backends = toBackends(path, sections);
  const { tls, store, snapshots } = file;
  const pools = [...file.pools].map(([name, section]) =>
    toPool(path, name, section, { catalogue, backends, at }),
  );
  checkPools(path, pools, catalogue);
  return {
    ...file,
    listen: toListenAddress(path, file.listen),
    proxies: toProxies(path, file),
    stateDirectory: at(file.stateDirectory),
    usersFile: optionally(at, file.usersFile),
    tls: typeof tls === 'string' ? tls : { certFile: at(tls.certFile), keyFile: at(tls.keyFile) },
    store: { limitBytes: toSize(path, 'store.size', store.size), isShared: store.shared },
    snapshots: {
      limitBytes: toSize(path, 'snapshots.size', snapshots.size),
      perUserBytes: toSize(path, 'snapshots.per-user', snapshots['per-user']),
    },
    oidc: toOidc(file.oidc, at),
    catalogue,
    pools,
  };
}

function toProxies(
  path: string,
  { proxies, proxyProtocol }: { proxies: readonly string[]; proxyProtocol: boolean },
): TrustedProxies {
  if (proxyProtocol && proxies.length === 0) {
    const why = 'name the proxies that speak it in trusted-proxies';
    throw badValue(path, 'proxy-protocol', 'true', why);
  }
  try {
    return new TrustedProxies(proxies);
  } catch (error) {
    throw badValue(path, 'trusted-proxies', proxies.join(', '), messageOf(error));
  }
}

function toSize(path: string, key: string, text: string | 0): number {
  if (text === 0 || text === '0') return 0;
  const size = parseMemory(text);
  if (size !== undefined && size >= minStoreBytes) return size;
  throw badValue(path, key, text, 'give a size such as "10g", from 1m on, or 0 for none');
}

function toListenAddress(path: string, text: string): ListenAddress {
  try {
    return parseListenAddress(text);
  } catch (error) {
    throw badValue(path, 'listen', text, messageOf(error));
  }
}

function checkBuilderCaches(path: string, { builders }: Catalogue): void {
  const other = builders.find(({ caches }) => caches !== undefined);
  if (other === undefined) return;
  const why = 'at a coordinator it is the host type that has caches';
  throw badValue(path, `builders.${other.name}.caches`, other.caches, why);
}

/** Machines are made ready before it is known for which builder type; what cannot be read is found before it is needed. */
function checkSetups(path: string, { hosts, builders }: Catalogue): void {
  const other = builders.find(({ setup }) => setup !== undefined);
  if (other !== undefined) {
    const why = 'at a coordinator it is the host type that has a setup';
    throw badValue(path, `builders.${other.name}.setup`, other.setup?.script, why);
  }
  readSetupsOf(...hosts);
}
