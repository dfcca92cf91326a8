// A control group for each command, in that of all commands of a buildlet: what it used is known when it has ended.
import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { RunUsage } from '../protocol/session.ts';

export interface RunGroup {
  readonly path: string;
  /** What the command used, given what is known of it otherwise. */
  usage(sampled: RunUsage | undefined): RunUsage | undefined;
  /** Removes the group, unless something of the command still runs. */
  release(): void;
}

export class RunGroups {
  readonly #parent: string;
  #made = 0;
  /** For commands that get none of their own: the kernel takes no process into a group that has groups. */
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

  make(): RunGroup {
    try {
      return this.#make(`run-${++this.#made}`);
    } catch {
      return this.#common;
    }
  }

  #make(name: string): RunGroup {
    const path = join(this.#parent, name);
    // One that is there is of a buildlet that was killed, and had the number of this one.
    mkdirSync(path, { recursive: true });
    return {
      path,
      usage: (sampled) => usageOf(path, sampled),
      release: () => {
        try {
          rmdirSync(path);
        } catch {
          // What of the command runs on keeps it; it goes with the group of all.
        }
      },
    };
  }
}

function usageOf(path: string, sampled: RunUsage | undefined): RunUsage | undefined {
  const cpuUs = /^usage_usec ([0-9]+)$/m.exec(read(join(path, 'cpu.stat')))?.[1];
  const peak = /^[0-9]+$/m.exec(read(join(path, 'memory.peak')))?.[0];
  const cpuMs = cpuUs === undefined ? sampled?.cpuMs : Math.round(Number(cpuUs) / 1_000);
  if (cpuMs === undefined) return sampled;
  if (peak === undefined) return { ...sampled, cpuMs };
  return { cpuMs, peakMemoryBytes: Number(peak), memoryBy: 'cgroup' };
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
