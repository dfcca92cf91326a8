// The tables of processes on this machine: [backends.NAME] with kind "local", and [hosts.NAME.local].
import * as v from 'valibot';
import type { LocalMachine } from '../../builders.ts';
import { memorySchema, tableOf } from '../../config/values.ts';

export interface LocalConfig {
  readonly kind: 'local';
  /** Whether commands get all of the environment in which their buildlet was created. */
  readonly inheritEnv?: boolean | undefined;
  /** The default confinement, which host types override. */
  readonly defaults?: LocalMachine | undefined;
}

const paths = v.array(
  v.pipe(v.string(), v.regex(/^\/[^\0]*[^\0/]/, 'give an absolute path, and not / itself')),
);

/** The options that confine commands. */
export const confinementOptions = {
  isolation: v.optional(v.picklist(['none', 'bubblewrap'], 'isolation is "none" or "bubblewrap"')),
  network: v.optional(v.picklist(['host', 'none'], 'network is "host" or "none"')),
  'read-only-paths': v.optional(paths),
  'writable-paths': v.optional(paths),
  cpus: v.optional(v.pipe(v.number(), v.gtValue(0, 'give a number above 0'))),
  memory: v.optional(memorySchema),
  'pids-limit': v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
};

export const confinementNames = {
  'read-only-paths': 'readOnlyPaths',
  'writable-paths': 'writablePaths',
  'pids-limit': 'pidsLimit',
  memory: 'memoryBytes',
} as const;

export const localTable = tableOf(confinementOptions, confinementNames);

export const localSection = v.pipe(
  tableOf(
    {
      kind: v.literal('local'),
      'inherit-env': v.optional(v.boolean()),
      ...confinementOptions,
    },
    { 'inherit-env': 'inheritEnv', ...confinementNames },
  ),
  v.transform(({ kind, inheritEnv, ...defaults }): LocalConfig => ({ kind, inheritEnv, defaults })),
);
