// The tables of containers: [backends.NAME] with kind "docker", and [hosts.NAME.docker].
import * as v from 'valibot';
import type { ContainerOptions } from '../../builders.ts';
import {
  lifetimeEntries,
  lifetimeNames,
  memorySchema,
  tableOf,
  textSchema,
} from '../../config/values.ts';
import { type StoreConfig, storeEntries, storeNames } from '../machine-store.ts';
import { directory } from './paths.ts';

export interface DockerConfig extends StoreConfig {
  readonly kind: 'docker';
  /** The engine's address in place of DOCKER_HOST and similar settings. */
  readonly host?: string | undefined;
  /** A context of docker's, in place of the current one. */
  readonly context?: string | undefined;
  /** The defaults of containers, which host types override. */
  readonly defaults: ContainerOptions;
  /** The directories with Node for other architectures, by the architecture's name in images. */
  readonly payloads: Readonly<Record<string, string>>;
  /** How long a buildlet lives without use. */
  readonly idleTimeoutMs: number;
  /** How long it lives at most. */
  readonly maxLifetimeMs: number;
}

const absolutePath = v.pipe(v.string(), v.startsWith('/', 'give an absolute path'));

/** A mount over the buildlet's own directory would hide it. */
const volume = v.pipe(
  v.string(),
  v.regex(/^[^:\0]+:\/[^:\0]*(:(ro|rw))?$/, 'give SOURCE:/DIRECTORY, or SOURCE:/DIRECTORY:ro'),
  v.check(
    (given) => !`${given.split(':')[1]}/`.startsWith(`${directory}/`),
    `${directory} is the buildlet's own`,
  ),
);

const options = {
  platform: v.optional(
    v.pipe(v.string(), v.regex(/^[a-z]+(\/[a-z0-9]+){1,2}$/, 'give one such as "linux/arm64"')),
  ),
  pull: v.optional(
    v.picklist(['missing', 'always', 'never'], 'pull is "missing", "always" or "never"'),
  ),
  cpus: v.optional(v.pipe(v.number(), v.gtValue(0, 'give a number above 0'))),
  memory: v.optional(memorySchema),
  'pids-limit': v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  user: v.optional(
    v.pipe(v.string(), v.regex(/^[\w.-]+(:[\w.-]+)?$/, 'give a name, UID or UID:GID')),
  ),
  network: v.optional(textSchema),
  'read-only': v.optional(v.boolean()),
  volumes: v.optional(v.array(volume)),
  env: v.optional(
    v.array(v.pipe(v.string(), v.regex(/^[^=\0]+=[^\0]*$/, 'an env element is KEY=VALUE'))),
  ),
  labels: v.optional(v.record(v.string(), v.string())),
  runtime: v.optional(textSchema),
  capabilities: v.optional(
    v.array(v.pipe(v.string(), v.regex(/^[A-Z_]+$/, 'give one such as "NET_RAW"'))),
  ),
};

const names = {
  memory: 'memoryBytes',
  'pids-limit': 'pidsLimit',
  'read-only': 'readOnly',
} as const;

export const dockerSection = v.pipe(
  tableOf(
    {
      kind: v.literal('docker'),
      host: v.optional(textSchema),
      context: v.optional(textSchema),
      payloads: v.optional(v.record(v.string(), absolutePath), {}),
      ...lifetimeEntries,
      ...storeEntries,
      ...options,
    },
    { ...names, ...lifetimeNames, ...storeNames },
  ),
  v.transform(
    ({
      kind,
      host,
      context,
      payloads,
      idleTimeoutMs,
      maxLifetimeMs,
      storeBytes,
      ...defaults
    }): DockerConfig => ({
      ...{ kind, host, context, payloads, idleTimeoutMs, maxLifetimeMs, storeBytes, defaults },
    }),
  ),
);

export const dockerTable = tableOf({ image: v.optional(textSchema), ...options }, names);
