// Converts the confinement of a local buildlet's commands into options of its program.
import type { LocalMachine } from '../../builders.ts';

export const confinementArguments = (machine: LocalMachine): string[] => [
  ...option('--isolation', machine.isolation),
  ...option('--network', machine.network),
  ...(machine.readOnlyPaths ?? []).flatMap((path) => option('--read-only', path)),
  ...(machine.writablePaths ?? []).flatMap((path) => option('--writable', path)),
  ...option('--memory', machine.memoryBytes),
  ...option('--cpus', machine.cpus),
  ...option('--pids', machine.pidsLimit),
];

const option = (name: string, value: string | number | undefined): string[] =>
  value === undefined ? [] : [`${name}=${value}`];
