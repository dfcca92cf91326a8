// Limits the resources of commands: by a control group where one can be created (version 2), else by
// the limits that each process inherits.
import { readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeDirectories } from '../files/make-directories.ts';
import { readSystemFile } from '../files/process-file.ts';
import type { EnforcedLimit, ResourceLimits } from '../protocol/limits.ts';
import { findOwnProgram } from './command/command-file.ts';
import { entering, RunGroups } from './run-groups.ts';

export interface AppliedLimits {
  /** Words that put a process and its children into the control group; none without a group. */
  readonly enterGroup: readonly string[];
  /** Groups for single commands, if possible: then commands enter those. */
  readonly runGroups: RunGroups | undefined;
  /** Words that limit a process and each of its children. */
  readonly limitProcess: readonly string[];
  readonly enforced: readonly EnforcedLimit[];
  /** How many processes of the group the kernel has killed for lack of memory; undefined without a group. */
  countMemoryKills(): number | undefined;
  /** Removes the group, whose processes have ended. */
  release(): void;
}

const periodUs = 100_000;

/** How each limit is written to a control group, and how it is set for one process. */
const ways = [
  {
    resource: 'memory',
    limitOf: ({ memoryBytes }: ResourceLimits) => memoryBytes,
    file: 'memory.max',
    text: (bytes: number) => String(bytes),
    option: (bytes: number) => `--as=${bytes}`,
  },
  {
    resource: 'cpus',
    limitOf: ({ cpus }: ResourceLimits) => cpus,
    file: 'cpu.max',
    text: (cpus: number) => `${Math.ceil(cpus * periodUs)} ${periodUs}`,
  },
  {
    resource: 'pids',
    limitOf: ({ pids }: ResourceLimits) => pids,
    file: 'pids.max',
    text: (pids: number) => String(pids),
    // It counts what the user has, and does not limit root.
    option: (pids: number, whose: LimitsPlace['whose']) =>
      whose === 'everybody' || process.getuid?.() === 0
        ? undefined
        : `--nproc=${whose === 'buildlet' ? pids + ownThreads : pids}`,
  },
] as const;

/** The most threads of a buildlet itself. The kernel counts them with the commands' where both have one user. */
const ownThreads = 32;

interface LimitsPlace {
  /**
   * Whose processes the kernel counts with those of commands: nobody's in a sandbox; the buildlet's, where it has a user of its
   * own; or all of a user who has others.
   */
  readonly whose: 'nobody' | 'buildlet' | 'everybody';
  /** The file system's root; tests have another. */
  readonly root?: string | undefined;
  /** Where prlimit is looked for; tests have another. */
  readonly searchPath?: string | undefined;
}

export function applyLimits(
  limits: ResourceLimits,
  { whose, root = '/', searchPath }: LimitsPlace,
): AppliedLimits {
  const wanted = ways.flatMap((way) => {
    const limit = way.limitOf(limits);
    return limit === undefined ? [] : [{ way, limit }];
  });
  const group = wanted.length === 0 ? undefined : makeGroup(root);
  const options: string[] = [];
  const prlimit = findOwnProgram('prlimit', searchPath);
  const enforced = wanted.map(({ way, limit }): EnforcedLimit => {
    const { resource, file, text } = way;
    if (group !== undefined && write(join(group, file), text(limit))) {
      return { resource, limit, by: 'cgroup' };
    }
    const option = prlimit !== undefined && 'option' in way ? way.option(limit, whose) : undefined;
    if (option !== undefined) options.push(option);
    return { resource, limit, by: option === undefined ? 'nothing' : 'process' };
  });
  const isGrouped = enforced.some(({ by }) => by === 'cgroup');
  if (group !== undefined && !isGrouped) remove(group);
  // Swap is not limited.
  else if (group !== undefined) write(join(group, 'memory.swap.max'), '0');
  return {
    enterGroup: isGrouped && group !== undefined ? entering(group) : [],
    runGroups: isGrouped && whose !== 'nobody' ? openRunGroups(group) : undefined,
    limitProcess: prlimit === undefined || options.length === 0 ? [] : [prlimit, ...options, '--'],
    enforced,
    countMemoryKills: () => (group === undefined ? undefined : killsIn(group)),
    release: () => {
      if (group !== undefined && isGrouped) remove(group);
    },
  };
}

/** In a sandbox all commands share one group: its processes cannot be distinguished from outside. */
function openRunGroups(group: string | undefined): RunGroups | undefined {
  if (group === undefined || !write(join(group, 'cgroup.subtree_control'), '+memory')) {
    return undefined;
  }
  try {
    return new RunGroups(group);
  } catch {
    write(join(group, 'cgroup.subtree_control'), '-memory');
    return undefined;
  }
}

const groupName = /^gomote-([0-9]+)$/;

/** Creates a control group beside that of this process or in it; undefined where this user may not. */
function makeGroup(root: string): string | undefined {
  const own = /^0::(\/.*)$/m.exec(readSystemFile(join(root, 'proc/self/cgroup')) ?? '')?.[1];
  if (own === undefined) return undefined;
  for (const parent of new Set([dirname(own), own])) {
    const place = join(root, 'sys/fs/cgroup', parent);
    if (readSystemFile(join(place, 'cgroup.controllers')) === undefined) continue;
    removeLeft(place);
    const group = join(place, `gomote-${process.pid}`);
    try {
      // A group with this pid belongs to a process that has ended.
      makeDirectories(group);
    } catch {
      continue;
    }
    for (const name of ['memory', 'cpu', 'pids'])
      write(join(place, 'cgroup.subtree_control'), `+${name}`);
    if (/memory|pids/.test(readSystemFile(join(group, 'cgroup.controllers')) ?? '')) return group;
    remove(group);
  }
  return undefined;
}

/** Removes the groups of buildlets that were killed. */
function removeLeft(place: string): void {
  for (const name of readdirSync(place)) {
    const pid = Number(groupName.exec(name)?.[1]);
    if (pid > 0 && readSystemFile(`/proc/${pid}/stat`) === undefined) remove(join(place, name));
  }
}

function killsIn(group: string): number | undefined {
  const count = /^oom_kill ([0-9]+)$/m.exec(
    readSystemFile(join(group, 'memory.events')) ?? '',
  )?.[1];
  return count === undefined ? undefined : Number(count);
}

/** Writes the text. Returns whether that succeeded. */
function write(path: string, text: string): boolean {
  try {
    writeFileSync(path, text, { flag: 'r+' });
    return true;
  } catch {
    return false;
  }
}

/** One that is in use stays. */
function remove(group: string): void {
  try {
    for (const one of readdirSync(group, { withFileTypes: true })) {
      if (one.isDirectory()) rmdirSync(join(group, one.name));
    }
    rmdirSync(group);
  } catch {
    // A later buildlet removes it.
  }
}

/** The count for the control group of this process; undefined where there is none. */
export function countMemoryKills(root = '/'): number | undefined {
  const groups = readSystemFile(join(root, 'proc/self/cgroup'));
  const paths = (groups ?? '').split('\n').flatMap((line) => {
    const [, controllers, path] = /^[0-9]+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    // Version 2 has one tree; version 1 one a controller. In a container the path may be seen from outside.
    if (controllers === '') return [join(path, 'memory.events'), 'memory.events'];
    const ofMemory = controllers?.split(',').includes('memory') === true;
    return ofMemory
      ? [join('memory', path, 'memory.oom_control'), 'memory/memory.oom_control']
      : [];
  });
  for (const path of paths) {
    const text = readSystemFile(join(root, 'sys/fs/cgroup', path));
    const count = /^oom_kill ([0-9]+)$/m.exec(text ?? '')?.[1];
    if (count !== undefined) return Number(count);
  }
  return undefined;
}
