// The table of hosts reached by ssh: [backends.NAME] with kind "ssh".
import * as v from 'valibot';
import type { LocalMachine } from '../../builders.ts';
import { tableOf } from '../../config/values.ts';
import { confinementNames, confinementOptions } from '../local/config.ts';
import { type StoreConfig, storeEntries, storeNames } from '../machine-store.ts';
import { readDestination } from './destination.ts';

export interface SshConfig extends StoreConfig {
  readonly kind: 'ssh';
  /** Destinations for ssh; at least one, without duplicates. */
  readonly hosts: readonly string[];
  /** A file in place of ~/.ssh/config. */
  readonly sshConfig?: string | undefined;
  /** Whether commands get all of the environment in which their buildlet was created. */
  readonly inheritEnv?: boolean | undefined;
  /** The default confinement there, which host types override. */
  readonly defaults?: LocalMachine | undefined;
}

const hostSchema = v.pipe(
  v.string(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const text = readDestination(dataset.value)?.text;
    if (text !== undefined) return text;
    addIssue({ message: 'give a host as ssh takes it, such as "user@box" or "user@box:2222"' });
    return NEVER;
  }),
);

export const sshSection = v.pipe(
  tableOf(
    {
      kind: v.literal('ssh'),
      hosts: v.pipe(
        v.array(hostSchema),
        v.minLength(1, 'it names no host'),
        v.check((hosts) => new Set(hosts).size === hosts.length, 'it names a host twice'),
      ),
      'ssh-config': v.optional(v.pipe(v.string(), v.minLength(1, 'it is empty'))),
      'inherit-env': v.optional(v.boolean()),
      ...storeEntries,
      ...confinementOptions,
    },
    {
      'ssh-config': 'sshConfig',
      'inherit-env': 'inheritEnv',
      ...storeNames,
      ...confinementNames,
    },
  ),
  v.transform(
    ({ kind, hosts, sshConfig, inheritEnv, storeBytes, ...defaults }): SshConfig => ({
      ...{ kind, hosts, sshConfig, inheritEnv, storeBytes, defaults },
    }),
  ),
);
