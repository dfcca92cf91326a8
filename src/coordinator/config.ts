// coordinator.toml: where to listen, who may have how much, and where machines come from.
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { buildersSchema, hostsSchema, toCatalogue } from '../backends/catalogue.ts';
import { type BackendConfig, backendsSchema, toBackends } from '../backends/config.ts';
import { builtInCatalogue, type Catalogue, type HostType } from '../builders.ts';
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

export interface CoordinatorConfig {
  readonly listen: ListenAddress;
  readonly stateDirectory: string;
  /** `self-signed`: made at the first start and kept in the state directory. `off`: plain HTTP. */
  readonly tls: 'self-signed' | 'off' | { readonly certFile: string; readonly keyFile: string };
  /** Where the users are. Absent: in the state directory. */
  readonly usersFile: string | undefined;
  /** Coordinators of one team share their sessions, where machines are of a platform that keeps them. */
  readonly team: string;
  readonly limits: {
    readonly perUser: number;
    readonly idleMs: number;
    readonly maximumMs: number;
  };
  readonly probeIntervalMs: number;
  /** How long running requests have when the coordinator is told to end. */
  readonly drainMs: number;
  /** Whether `/metrics` asks for no admin's token. */
  readonly openMetrics: boolean;
  /** Where the audit trail goes: to a file in the state directory, or among the lines of the log. */
  readonly auditTo: 'file' | 'log';
  /** Whether the audit trail holds the arguments of commands. */
  readonly auditArguments: boolean;
  readonly catalogue: Catalogue;
  readonly pools: readonly PoolConfig[];
}

interface PoolCommon {
  /** The section's name. */
  readonly name: string;
  readonly host: HostType;
  /** How many machines to keep ready ahead. */
  readonly warm: number;
}

export interface StaticMachine {
  /** HOST:PORT or unix:PATH. */
  readonly address: string;
  readonly passwordFile?: string | undefined;
  /** Certificate and key of the buildlet, PEM: it is pinned, and its password comes from it. */
  readonly keyPairFile?: string | undefined;
}

export type PoolConfig = PoolCommon &
  (
    | { readonly kind: 'local'; readonly maximum: number }
    | { readonly kind: 'backend'; readonly maximum: number; readonly backend: BackendConfig }
    | { readonly kind: 'static'; readonly machines: readonly StaticMachine[] }
    | { readonly kind: 'reverse'; readonly keyFile: string }
  );

const count = (least: number) =>
  v.pipe(
    v.number(),
    v.integer('it is a whole number'),
    v.minValue(least, `it is at least ${least}`),
  );

const common = { host: nameSchema, warm: v.optional(count(0), 0) };

const poolSchema = v.variant(
  'kind',
  [
    v.strictObject({ ...common, kind: v.literal('local'), maximum: count(1) }),
    v.strictObject({
      ...common,
      kind: v.literal('backend'),
      maximum: count(1),
      backend: nameSchema,
    }),
    v.strictObject({
      ...common,
      kind: v.literal('static'),
      machines: v.pipe(
        v.array(
          v.strictObject({
            address: v.string(),
            'password-file': v.optional(v.string()),
            'key-pair-file': v.optional(v.string()),
          }),
        ),
        v.minLength(1, 'it names at least one machine'),
      ),
    }),
    v.strictObject({ ...common, kind: v.literal('reverse'), 'key-file': v.string() }),
  ],
  'kind is "local", "static", "reverse" or "backend"',
);

const schema = v.strictObject({
  listen: v.optional(v.string(), '127.0.0.1:8443'),
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
    }),
    {},
  ),
  'probe-interval': v.optional(positiveDurationSchema, '10s'),
  'drain-timeout': v.optional(durationSchema, '30s'),
  'open-metrics': v.optional(v.boolean(), false),
  'audit-to': v.optional(v.picklist(['file', 'log'], 'audit-to is "file" or "log"'), 'file'),
  'audit-arguments': v.optional(v.boolean(), true),
  backends: backendsSchema,
  hosts: hostsSchema,
  builders: buildersSchema,
  pools: namedValues(nameSchema, poolSchema),
});

type PoolSection = v.InferOutput<typeof poolSchema>;

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
  const backends = toBackends(path, file.backends);
  const { tls, limits } = file;
  const pools = [...file.pools].map(([name, section]) =>
    toPool(path, name, section, { catalogue, backends, at }),
  );
  checkPools(path, pools, catalogue);
  return {
    listen: toListenAddress(path, file.listen),
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
    },
    probeIntervalMs: file['probe-interval'],
    drainMs: file['drain-timeout'],
    openMetrics: file['open-metrics'],
    auditTo: file['audit-to'],
    auditArguments: file['audit-arguments'],
    catalogue,
    pools,
  };
}

interface PoolSurroundings {
  readonly catalogue: Catalogue;
  readonly backends: ReadonlyMap<string, BackendConfig>;
  readonly at: (relative: string) => string;
}

function toPool(
  path: string,
  name: string,
  section: PoolSection,
  { catalogue, backends, at }: PoolSurroundings,
): PoolConfig {
  const host = catalogue.hosts.find((candidate) => candidate.name === section.host);
  if (host === undefined) {
    const known = catalogue.hosts.map((candidate) => candidate.name).join(', ');
    throw badValue(
      path,
      `pools.${name}.host`,
      section.host,
      `there is no such host type; there are: ${known}`,
    );
  }
  const shared = { name, host, warm: section.warm };
  switch (section.kind) {
    case 'local':
      return { ...shared, kind: section.kind, maximum: section.maximum };
    case 'reverse':
      return { ...shared, kind: section.kind, keyFile: at(section['key-file']) };
    case 'static':
      return {
        ...shared,
        kind: section.kind,
        machines: section.machines.map((machine) => ({
          address: machine.address,
          passwordFile: optionally(at, machine['password-file']),
          keyPairFile: optionally(at, machine['key-pair-file']),
        })),
      };
    case 'backend': {
      const backend = backends.get(section.backend);
      if (backend === undefined || backend.kind === 'local') {
        const why = backend === undefined ? 'there is no such backend' : 'use kind = "local"';
        throw badValue(path, `pools.${name}.backend`, section.backend, why);
      }
      return { ...shared, kind: section.kind, maximum: section.maximum, backend };
    }
  }
}

const optionally = (at: (path: string) => string, path: string | undefined): string | undefined =>
  path === undefined ? undefined : at(path);

function checkPools(path: string, pools: readonly PoolConfig[], catalogue: Catalogue): void {
  if (pools.length === 0) throw badValue(path, 'pools', {}, 'there is no pool');
  const seen = new Map<string, string>();
  for (const { name, host } of pools) {
    const other = seen.get(host.name);
    if (other !== undefined) {
      throw badValue(
        path,
        `pools.${name}.host`,
        host.name,
        `pools.${other} has that host type already`,
      );
    }
    seen.set(host.name, name);
  }
  const builtIn = new Set(builtInCatalogue.builders.map(({ name }) => name));
  for (const { name, hostType } of catalogue.builders) {
    if (!seen.has(hostType) && !builtIn.has(name)) {
      throw badValue(path, `builders.${name}.host`, hostType, 'no pool has that host type');
    }
  }
}

function toListenAddress(path: string, text: string): ListenAddress {
  try {
    return parseListenAddress(text);
  } catch (error) {
    throw badValue(path, 'listen', text, messageOf(error));
  }
}
