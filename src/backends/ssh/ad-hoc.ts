// Hosts that are named on the command line instead of in the configuration: `ssh:user@box`.
import type { BuilderType, HostType } from '../../builders.ts';
import type { SshConfig } from './config.ts';
import { parseDestination } from './destination.ts';

const prefix = 'ssh:';

/** Whether a backend, a type or a buildlet's name with its backend is of such a host. */
export const isAdHocHost = (name: string): boolean => name.startsWith(prefix);

/** The backend of that name; undefined when it is none of a host. Throws ERR_USAGE when the host is none. */
export function adHocHost(name: string): (SshConfig & { readonly name: string }) | undefined {
  if (!isAdHocHost(name)) return undefined;
  const given = name.slice(prefix.length);
  const { text } = parseDestination(given.startsWith('//') ? name : given);
  return { kind: 'ssh', name: `${prefix}${text}`, hosts: [text] };
}

/** What is made on a host when no type is named: the host is what it is. */
export const sshTypes: { readonly builder: BuilderType; readonly host: HostType } = {
  builder: { name: 'ssh', hostType: 'host-ssh', env: [] },
  host: { name: 'host-ssh', description: 'a process on a host that is reached by ssh' },
};
