// Hosts that are named on the command line: `ssh:user@box`.
import type { BuilderType, HostType } from '../../builders.ts';
import type { SshConfig } from './config.ts';
import { parseDestination } from './destination.ts';

const prefix = 'ssh:';

/** Whether the name of a backend, a type or a buildlet belongs to such a host. */
export const isAdHocHost = (name: string): boolean => name.startsWith(prefix);

/** The backend of that name; undefined when it does not name a host. Throws ERR_USAGE for an invalid host. */
export function adHocHost(name: string): (SshConfig & { readonly name: string }) | undefined {
  if (!isAdHocHost(name)) return undefined;
  const given = name.slice(prefix.length);
  const { text } = parseDestination(given.startsWith('//') ? name : given);
  return { kind: 'ssh', name: `${prefix}${text}`, hosts: [text] };
}

/** The default type on a host. */
export const sshTypes: { readonly builder: BuilderType; readonly host: HostType } = {
  builder: { name: 'ssh', hostType: 'host-ssh', env: [] },
  host: { name: 'host-ssh', description: 'a process on a host that is reached by ssh' },
};
