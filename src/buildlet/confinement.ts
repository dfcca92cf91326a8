// Checks the options that confine the commands of a buildlet.
import { existsSync, statSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import type { ResourceLimits } from '../protocol/limits.ts';
import { parseMemory } from '../protocol/memory-size.ts';
import { usage, type ValuesOf } from './option-values.ts';
import type { userFlags } from './own-user.ts';

const isolations = ['none', 'bubblewrap'] as const;
export const networks = ['host', 'none'] as const;
const firewalls = ['run', 'machine'] as const;

export interface Confinement {
  readonly isolation: (typeof isolations)[number];
  /** Whether commands have the machine's network, or none beyond their own loopback. */
  readonly network: (typeof networks)[number];
  /** How the network is closed for a command that asks for it: for that command, or permanently on the machine. */
  readonly firewall: (typeof firewalls)[number];
  /** Whether the user of the buildlet has nothing else. */
  readonly hasOwnUser: boolean;
  /** Absolute paths that a sandbox shows in addition to the system. */
  readonly readOnly: readonly string[];
  readonly writable: readonly string[];
  readonly limits: ResourceLimits;
}

export const confinementHelp = `  --isolation none|bubblewrap   run commands in a sandbox: with processes, /tmp
                                and HOME of their own, the system read-only, and
                                nothing else of this machine (default: none)
  --network host|none           none: commands have no network but a loopback of
                                their own (default: host)
  --firewall run|machine        what GO_DISABLE_OUTBOUND_NETWORK=1 does: take
                                the network from that command, or set Go's
                                iptables rules once for all, on a machine that
                                is the buildlet's alone (default: run; with
                                --halt machine)
  --read-only PATH              show PATH in the sandbox, too; may be repeated
  --writable PATH               let commands in the sandbox write to PATH; may
                                be repeated
  --memory SIZE, --cpus N, --pids N
                                the most that commands may use, such as 4G, 1.5,
                                500
`;

export const confinementFlags = {
  isolation: { type: 'string' },
  network: { type: 'string' },
  firewall: { type: 'string' },
  'read-only': { type: 'string', multiple: true },
  writable: { type: 'string', multiple: true },
  memory: { type: 'string' },
  cpus: { type: 'string' },
  pids: { type: 'string' },
} as const;

export function readConfinement(
  values: ValuesOf<typeof confinementFlags & typeof userFlags>,
  ownsMachine: boolean,
): Confinement {
  const { 'read-only': readOnly = [], writable = [] } = values;
  const isolation = oneOf('--isolation', isolations, values.isolation ?? 'none');
  const paths = [...readOnly, ...writable];
  const [shown] = paths;
  if (isolation === 'none' && shown !== undefined) {
    throw usage(`${shown} can be shown in a sandbox only`, 'give --isolation bubblewrap');
  }
  for (const path of paths) checkPath(path);
  return {
    isolation,
    network: oneOf('--network', networks, values.network ?? 'host'),
    firewall: oneOf('--firewall', firewalls, values.firewall ?? (ownsMachine ? 'machine' : 'run')),
    hasOwnUser: values.user !== undefined,
    readOnly,
    writable,
    limits: {
      memoryBytes: values.memory === undefined ? undefined : memoryOf(values.memory),
      cpus:
        values.cpus === undefined
          ? undefined
          : numberOf('--cpus', values.cpus, /^[0-9]{1,4}(\.[0-9]{1,2})?$/),
      pids: values.pids === undefined ? undefined : numberOf('--pids', values.pids, /^[0-9]{1,7}$/),
    },
  };
}

function oneOf<T extends string>(option: string, known: readonly T[], text: string): T {
  const found = known.find((value) => value === text);
  if (found !== undefined) return found;
  throw usage(`${option} is ${known.join(' or ')}, not "${text}"`, 'see buildlet --help');
}

/** What a sandbox has of its own, or needs in order to be made. */
const ownPlaces = ['/', '/dev', '/proc', '/run', '/run/gomote', '/tmp'];

function checkPath(path: string): void {
  if (!isAbsolute(path)) throw usage(`"${path}" is not an absolute path`, 'give one that is');
  if (!existsSync(path)) throw usage(`"${path}" is not there`, 'it cannot be shown in a sandbox');
  if (ownPlaces.includes(resolve(path)) || statSync(path).isFIFO()) {
    throw usage(`"${path}" cannot be shown in a sandbox`, 'name what commands need in it');
  }
}

function memoryOf(text: string): number {
  const bytes = parseMemory(text);
  if (bytes !== undefined) return bytes;
  throw usage(`--memory "${text}" is not a size`, 'give one such as 512M or 4G');
}

function numberOf(option: string, text: string, pattern: RegExp): number {
  const number = pattern.test(text) ? Number(text) : 0;
  if (number > 0) return number;
  throw usage(`${option} "${text}" is not a number above 0`, 'give one such as 2');
}
