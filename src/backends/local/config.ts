// The tables of processes on this machine: [backends.NAME] with kind "local", and [hosts.NAME.local].

import * as v from 'valibot';
import type { LocalMachine } from '../../builders.ts';
import { memorySchema } from '../../config/values.ts';

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

const confinement = v.strictObject(confinementOptions);

export const toLocalMachine = ({
  'read-only-paths': readOnlyPaths,
  'writable-paths': writablePaths,
  'pids-limit': pidsLimit,
  memory: memoryBytes,
  ...rest
}: v.InferOutput<typeof confinement>): LocalMachine => ({
  ...rest,
  ...(readOnlyPaths !== undefined && { readOnlyPaths }),
  ...(writablePaths !== undefined && { writablePaths }),
  ...(pidsLimit !== undefined && { pidsLimit }),
  ...(memoryBytes !== undefined && { memoryBytes }),
});

export const localTable = v.pipe(confinement, v.transform(toLocalMachine));

export const localSection = v.pipe(
  v.strictObject({
    kind: v.literal('local'),
    'inherit-env': v.optional(v.boolean()),
    ...confinementOptions,
  }),
  v.transform(
    ({ kind, 'inherit-env': inheritEnv, ...rest }): LocalConfig => ({
      kind,
      inheritEnv,
      defaults: toLocalMachine(rest),
    }),
  ),
);
