// A control group for each command, in the group of all commands of a buildlet, to measure its resources.
import { rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeDirectories } from '../files/make-directories.ts';
import { readSystemFile } from '../files/process-file.ts';
import type { RunUsage } from '../protocol/session.ts';
import type { CommandGroup } from './command/command.ts';

/** A shell that writes its own pid into the group, and then becomes the command. */
export const entering = (group: string): string[] => [
  ...['/bin/sh', '-c', 'echo $$ >"$0" || exit 126; exec "$@"'],
  join(group, 'cgroup.procs'),
];

interface RunGroup extends CommandGroup {
  readonly path: string;
}

export class RunGroups {
  readonly #parent: string;
  #made = 0;
  /** For commands without a group of their own: the kernel allows no processes in a group that contains groups. */
  readonly #common: RunGroup;

  /** Throws when no group can be made in that one. */
  constructor(parent: string) {
    this.#parent = parent;
    this.#common = {
      ...this.#make('others'),
      usage: (sampled) => sampled,
      release: () => undefined,
    };
  }

  readonly make = (): RunGroup => {
    try {
      return this.#make(`run-${++this.#made}`);
    } catch {
      return this.#common;
    }
  };

  #make(name: string): RunGroup {
    const path = join(this.#parent, name);
    // An existing group belongs to a killed buildlet with the same pid.
    makeDirectories(path);
    return {
      path,
      enter: entering(path),
      usage: (sampled) => usageOf(path, sampled),
      release: () => {
        try {
          rmdirSync(path);
        } catch {
          // Remaining processes of the command keep it; it is removed with the parent group.
        }
      },
    };
  }
}

function usageOf(path: string, sampled: RunUsage | undefined): RunUsage | undefined {
  const cpuUs = /^usage_usec ([0-9]+)$/m.exec(readSystemFile(join(path, 'cpu.stat')) ?? '')?.[1];
  const peak = /^[0-9]+$/m.exec(readSystemFile(join(path, 'memory.peak')) ?? '')?.[0];
  const cpuMs = cpuUs === undefined ? sampled?.cpuMs : Math.round(Number(cpuUs) / 1_000);
  if (cpuMs === undefined) return sampled;
  if (peak === undefined) return { ...sampled, cpuMs };
  return { cpuMs, peakMemoryBytes: Number(peak), memoryBy: 'cgroup' };
}
