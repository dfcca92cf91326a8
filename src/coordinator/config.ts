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
} from '../config/values.ts';
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { readTrustedFile } from '../files/private-file.ts';
import { type ListenAddress, parseListenAddress } from '../http/server/listen.ts';
import { TrustedProxies } from '../http/server/trusted-proxies.ts';
import { parseMemory } from '../protocol/memory-size.ts';
import { type Priority, priorities } from '../protocol/priority.ts';
import { minStoreBytes } from '../store/content-store.ts';
import { type OidcConfig, oidcSchema, toOidc } from './oidc/config.ts';
import {
  checkPools,
  count,
  optionally,
  type PoolConfig,
  poolSchema,
  toPool,
} from './pool-config.ts';
import type { SnapshotsConfig } from './snapshots/snapshots.ts';
import type { CoordinatorStoreConfig } from './store/coordinator-store.ts';

export interface CoordinatorConfig {
  readonly listen: ListenAddress;
  /** Balancers that are trusted to report the origin of connections and requests. */
  readonly proxies: TrustedProxies;
  /** Whether connections of trusted proxies may begin with a header of the PROXY protocol. */
  readonly proxyProtocol: boolean;
  readonly stateDirectory: string;
  /** `self-signed`: made at the first start and kept in the state directory. `off`: plain HTTP. */
  readonly tls: 'self-signed' | 'off' | { readonly certFile: string; readonly keyFile: string };
  /** The file of users. Absent: in the state directory. */
  readonly usersFile: string | undefined;
  /** Coordinators of one team share sessions whose machines are on a platform that stores notes. */
  readonly team: string;
  readonly limits: {
    readonly perUser: number;
    readonly idleMs: number;
    readonly maximumMs: number;
    /** The default for the highest priority of a user's creates. */
    readonly priority: Priority;
  };
  readonly probeIntervalMs: number;
  /** How long a machine in use may be unreachable before its session is given up. */
  readonly graceMs: number;
  /** The time limit for running requests when the coordinator ends. */
  readonly drainMs: number;
  /** Whether `/metrics` needs no token. */
  readonly openMetrics: boolean;
  /** Whether users may forward ports of buildlets. */
  readonly forward: boolean;
  /** Where the audit trail is written: to a file in the state directory, or into the log. */
  readonly auditTo: 'file' | 'log';
  /** Whether the audit trail contains the arguments of commands. */
  readonly auditArguments: boolean;
  /** How long the page keeps ended buildlets and runs, in ms. */
  readonly historyMs: number;
  /** The provider for sign-ins, in addition to tokens. Absent: none. */
  readonly oidc: OidcConfig | undefined;
  /** Where contents of pushes are kept, so that they need not be sent again. */
  readonly store: CoordinatorStoreConfig;
  /** What users may keep of their work directories. */
  readonly snapshots: SnapshotsConfig;
  readonly catalogue: Catalogue;
  readonly pools: readonly PoolConfig[];
}

const schema = v.strictObject({
  listen: v.optional(v.string(), '127.0.0.1:8443'),
  'trusted-proxies': v.optional(v.array(v.string()), []),
  'proxy-protocol': v.optional(v.boolean(), false),
  'state-directory': v.string(),
  'users-file': v.optional(v.string()),
  team: v.optional(nameSchema, 'gomote'),
  tls: v.optional(
    v.union(
      [
        v.picklist(['self-signed', 'off']),
        v.strictObject({ 'cert-file': v.string(), 'key-file': v.string() }),
      ],
      'tls is "self-signed", "off", or { cert-file, key-file }',
    ),
    'self-signed',
  ),
  limits: v.optional(
    v.strictObject({
      'per-user': v.optional(count(1), 20),
      idle: v.optional(positiveDurationSchema, '30m'),
      maximum: v.optional(positiveDurationSchema, '24h'),
      priority: v.optional(v.picklist(priorities), 'normal'),
    }),
    {},
  ),
  'probe-interval': v.optional(positiveDurationSchema, '10s'),
  'grace-time': v.optional(durationSchema, '5m'),
  'drain-timeout': v.optional(durationSchema, '30s'),
  'open-metrics': v.optional(v.boolean(), false),
  forward: v.optional(v.boolean(), true),
  'audit-to': v.optional(v.picklist(['file', 'log'], 'audit-to is "file" or "log"'), 'file'),
  'audit-arguments': v.optional(v.boolean(), true),
  history: v.optional(durationSchema, '168h'),
  store: v.optional(
    v.strictObject({
      size: v.optional(v.union([v.literal(0), v.string()]), '5g'),
      shared: v.optional(v.boolean(), false),
    }),
    {},
  ),
  snapshots: v.optional(
    v.strictObject({
      size: v.optional(v.union([v.literal(0), v.string()]), '20g'),
      'per-user': v.optional(v.string(), '10g'),
    }),
    {},
  ),
  oidc: v.optional(oidcSchema),
  backends: backendsSchema,
  hosts: hostsSchema,
  builders: buildersSchema,
  pools: namedValues(nameSchema, poolSchema),
});

/** Reads the file; throws ERR_CONFIG, naming the file, the key and the value. Paths in it are relative to it. */
export function loadCoordinatorConfig(path: string): CoordinatorConfig {
  let bytes: Buffer;
  try {
    bytes = readTrustedFile(path);
  } catch (error) {
    if (isGomoteError(error)) throw error;
    throw new GomoteError('ERR_CONFIG', `cannot read ${path}: ${messageOf(error)}`, {
      hint: 'give --config FILE',
      cause: error,
    });
  }
  const file = parseFile(path, bytes, schema);
  const at = (relative: string): string => resolve(dirname(path), relative);
  const catalogue = toCatalogue(path, file);
  checkSetups(path, catalogue);
  checkBuilderCaches(path, catalogue);
  const backends = toBackends(path, file.backends);
  const { tls, limits } = file;
  const pools = [...file.pools].map(([name, section]) =>
    toPool(path, name, section, { catalogue, backends, at }),
  );
  checkPools(path, pools, catalogue);
  return {
    listen: toListenAddress(path, file.listen),
    proxies: toProxies(path, file),
    proxyProtocol: file['proxy-protocol'],
    stateDirectory: at(file['state-directory']),
    usersFile: optionally(at, file['users-file']),
    team: file.team,
    tls:
      typeof tls === 'string'
        ? tls
        : { certFile: at(tls['cert-file']), keyFile: at(tls['key-file']) },
    limits: {
      perUser: limits['per-user'],
      idleMs: limits.idle,
      maximumMs: limits.maximum,
      priority: limits.priority,
    },
    probeIntervalMs: file['probe-interval'],
    graceMs: file['grace-time'],
    drainMs: file['drain-timeout'],
    openMetrics: file['open-metrics'],
    forward: file.forward,
    auditTo: file['audit-to'],
    auditArguments: file['audit-arguments'],
    historyMs: file.history,
    store: { limitBytes: toSize(path, 'store.size', file.store.size), isShared: file.store.shared },
    snapshots: {
      limitBytes: toSize(path, 'snapshots.size', file.snapshots.size),
      perUserBytes: toSize(path, 'snapshots.per-user', file.snapshots['per-user']),
    },
    oidc: toOidc(file.oidc, at),
    catalogue,
    pools,
  };
}

function toProxies(
  path: string,
  file: { 'trusted-proxies': readonly string[]; 'proxy-protocol': boolean },
): TrustedProxies {
  const list = file['trusted-proxies'];
  if (file['proxy-protocol'] && list.length === 0) {
    const why = 'name the proxies that speak it in trusted-proxies';
    throw badValue(path, 'proxy-protocol', 'true', why);
  }
  try {
    return new TrustedProxies(list);
  } catch (error) {
    throw badValue(path, 'trusted-proxies', list.join(', '), messageOf(error));
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
