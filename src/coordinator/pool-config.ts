// The sections [pools.NAME] of coordinator.toml: where machines come from.
import * as v from 'valibot';
import type { BackendConfig } from '../backends/config.ts';
import { confinementNames, confinementOptions } from '../backends/local/config.ts';
import type { UserIds } from '../backends/local/own-users.ts';
import { builtInCatalogue, type Catalogue, type HostType, type LocalMachine } from '../builders.ts';
import { badValue } from '../config/file.ts';
import { durationSchema, fingerprintSchema, nameSchema, tableOf } from '../config/values.ts';
import { areTooMany, type Labels, whyNoLabel } from '../protocol/labels.ts';
import { refuseSharedIds, userOptions, usersOf } from './pool-users.ts';

interface PoolCommon {
  /** The section's name. */
  readonly name: string;
  readonly host: HostType;
  /** How many machines to keep ready ahead. */
  readonly warm: number;
  /** How many there are at least, in use or ready. */
  readonly minimum: number;
  /** For how long machines that were given back are replaced by ready ones, in ms. */
  readonly keepMs: number;
  /** Of each of its machines. */
  readonly labels?: Labels | undefined;
}

export type PoolConfig = PoolCommon &
  (
    | {
        readonly kind: 'local';
        readonly maximum: number;
        readonly machine: LocalMachine;
        /** Each machine has a user of its own. Absent: all are the coordinator's. */
        readonly users?: UserIds | undefined;
      }
    | { readonly kind: 'backend'; readonly maximum: number; readonly backend: BackendConfig }
    | {
        readonly kind: 'static';
        readonly machines: readonly StaticMachine[];
        /** What the admin runs on a machine between users, by its shell. */
        readonly resetCommand?: string | undefined;
      }
    | {
        readonly kind: 'reverse';
        readonly keyFile: string;
        readonly resetCommand?: string | undefined;
        /** The keys of labels that its machines may give themselves. */
        readonly believed: readonly string[];
      }
  );

/** A whole number that is at least the minimum. */
export const count = (least: number) =>
  v.pipe(
    v.number(),
    v.integer('it is a whole number'),
    v.minValue(least, `it is at least ${least}`),
  );

const resetCommand = v.optional(
  v.pipe(v.string(), v.regex(/\S/, 'it is empty'), v.excludes('\0', 'it holds a NUL byte')),
);

const labels = v.optional(
  v.pipe(
    v.record(v.string(), v.string('a label is a text')),
    v.rawCheck(({ dataset, addIssue }) => {
      if (!dataset.typed) return;
      for (const [name, text] of Object.entries(dataset.value)) {
        const why = whyNoLabel(name, text);
        if (why !== undefined) addIssue({ message: `"${name}=${text}": ${why}` });
      }
      if (areTooMany(dataset.value)) addIssue({ message: 'there are more than 32' });
    }),
  ),
);

const labelKey = v.pipe(
  v.string(),
  v.check((name) => whyNoLabel(name, '') === undefined, 'it is not the key of a label'),
);

/** Of pools that make machines. */
const scaling = {
  maximum: count(1),
  minimum: v.optional(count(0), 0),
  'scale-down-after': v.optional(durationSchema, '0'),
};

const scalingNames = { 'scale-down-after': 'keepMs' } as const;

const common = { host: nameSchema, warm: v.optional(count(0), 0), labels };

const staticMachine = tableOf(
  {
    /** HOST:PORT or unix:PATH. */
    address: v.string(),
    'password-file': v.optional(v.string()),
    /** Certificate and key of the buildlet, PEM. It is pinned, and its password is derived from it, unless there is a password file. */
    'key-pair-file': v.optional(v.string()),
    /** SHA-256 of the buildlet's certificate, hex: it is pinned. */
    fingerprint: v.optional(fingerprintSchema),
    /** In the configuration with those of its pool. */
    labels,
  },
  { 'password-file': 'passwordFile', 'key-pair-file': 'keyPairFile' },
);

export type StaticMachine = v.InferOutput<typeof staticMachine>;

export const poolSchema = v.variant(
  'kind',
  [
    tableOf(
      { ...common, kind: v.literal('local'), ...scaling, ...confinementOptions, ...userOptions },
      { ...scalingNames, ...confinementNames, 'machines-directory': 'directory' },
    ),
    tableOf(
      { ...common, kind: v.literal('backend'), ...scaling, backend: nameSchema },
      scalingNames,
    ),
    tableOf(
      {
        ...common,
        kind: v.literal('static'),
        reset: resetCommand,
        machines: v.pipe(v.array(staticMachine), v.minLength(1, 'it names at least one machine')),
      },
      { reset: 'resetCommand' },
    ),
    tableOf(
      {
        ...common,
        kind: v.literal('reverse'),
        'key-file': v.string(),
        'machine-labels': v.optional(v.array(labelKey), []),
        reset: resetCommand,
      },
      { 'key-file': 'keyFile', 'machine-labels': 'believed', reset: 'resetCommand' },
    ),
  ],
  'kind is "local", "static", "reverse" or "backend"',
);

type PoolSection = v.InferOutput<typeof poolSchema>;

interface PoolContext {
  readonly catalogue: Catalogue;
  readonly backends: ReadonlyMap<string, BackendConfig>;
  readonly at: (relative: string) => string;
}

/** Reads the section; throws ERR_CONFIG, naming the file, the key and the value. */
export function toPool(
  path: string,
  name: string,
  section: PoolSection,
  { catalogue, backends, at }: PoolContext,
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
  checkCaches(path, name, host, section, backends);
  if (host.setup?.isKept && (section.kind === 'static' || section.kind === 'reverse')) {
    const why = `its setup is kept, which a pool of kind ${section.kind} cannot: its machines stay`;
    throw badValue(path, `pools.${name}.host`, host.name, why);
  }
  const { host: _, warm, labels, ...own } = section;
  const shared = { name, host, warm, labels, ...scalingOf(path, name, section) };
  switch (own.kind) {
    case 'local': {
      const { kind, maximum, minimum, keepMs, uids, directory, ...confinement } = own;
      // Users of a coordinator do not trust each other, nor does it trust them.
      const machine: LocalMachine = {
        ...host.local,
        // That there is none has to be written here, where users share the machine.
        isolation: 'bubblewrap',
        ...confinement,
      };
      return { ...shared, kind, maximum, machine, users: usersOf(path, `pools.${name}`, own) };
    }
    case 'reverse':
      return { ...shared, ...own, keyFile: at(own.keyFile) };
    case 'static':
      return {
        ...shared,
        ...own,
        machines: own.machines.map((machine) => ({
          ...machine,
          passwordFile: optionally(at, machine.passwordFile),
          keyPairFile: optionally(at, machine.keyPairFile),
          labels: joined(labels, machine.labels),
        })),
      };
    case 'backend': {
      const backend = backends.get(own.backend);
      if (backend === undefined || backend.kind === 'local') {
        const why = backend === undefined ? 'there is no such backend' : 'use kind = "local"';
        throw badValue(path, `pools.${name}.backend`, own.backend, why);
      }
      return { ...shared, ...own, backend };
    }
  }
}

/** Machines that stay go from one user to the next. */
function checkCaches(
  path: string,
  name: string,
  host: HostType,
  section: PoolSection,
  backends: ReadonlyMap<string, BackendConfig>,
): void {
  const hasUsers = section.kind === 'local' && section.uids !== undefined;
  if (host.caches === undefined || (section.kind === 'local' && !hasUsers)) return;
  const backend = section.kind === 'backend' ? backends.get(section.backend) : undefined;
  if (backend?.kind === 'docker' || backend?.kind === 'ssh') return;
  const shared = host.caches.find(({ mode }) => mode !== 'exclusive');
  if (backend?.kind === 'gce' && backend.caches !== undefined && shared !== undefined) {
    const why = `one machine at a time can write to a disk: its cache "${shared.name}" needs mode = "exclusive"`;
    throw badValue(path, `pools.${name}.host`, host.name, why);
  }
  if ((backend?.kind === 'kubernetes' || backend?.kind === 'gce') && backend.caches) return;
  const kind = hasUsers ? 'local with uids' : (backend?.kind ?? section.kind);
  const why = `this host type has caches, which a pool of kind ${kind} cannot keep`;
  throw badValue(path, `pools.${name}.host`, host.name, why);
}

function scalingOf(path: string, name: string, section: PoolSection) {
  if (!('minimum' in section)) return { minimum: 0, keepMs: 0 };
  const { minimum, maximum, keepMs } = section;
  if (minimum <= maximum) return { minimum, keepMs };
  throw badValue(path, `pools.${name}.minimum`, minimum, `maximum is ${maximum}`);
}

const joined = (labels: Labels | undefined, own: Labels | undefined): Labels | undefined =>
  labels === undefined && own === undefined ? undefined : { ...labels, ...own };

export const optionally = (
  at: (path: string) => string,
  path: string | undefined,
): string | undefined => (path === undefined ? undefined : at(path));

/** Throws ERR_CONFIG unless each host type has a pool, and each machine one pool. */
export function checkPools(path: string, pools: readonly PoolConfig[], catalogue: Catalogue): void {
  if (pools.length === 0) throw badValue(path, 'pools', {}, 'there is no pool');
  const owners = new Map<string, string>();
  for (const pool of pools) {
    for (const { address } of pool.kind === 'static' ? pool.machines : []) {
      const other = owners.get(address);
      if (other !== undefined) {
        const why = other === pool.name ? 'it is there twice' : `pools.${other} has it already`;
        throw badValue(path, `pools.${pool.name}.machines`, address, why);
      }
      owners.set(address, pool.name);
    }
  }
  refuseSharedIds(
    path,
    pools.filter((pool) => pool.kind === 'local'),
  );
  const served = new Set(pools.map(({ host }) => host.name));
  const builtIn = new Set(builtInCatalogue.builders.map(({ name }) => name));
  for (const { name, hostType } of catalogue.builders) {
    if (!served.has(hostType) && !builtIn.has(name)) {
      throw badValue(path, `builders.${name}.host`, hostType, 'no pool has that host type');
    }
  }
}
