// Limits of commands: their units, how they are enforced, and what is reported of a command that was killed for one.

/** The limits for the commands of one buildlet. Absent: not limited. */
export interface ResourceLimits {
  readonly memoryBytes?: number | undefined;
  /** Such as 1.5. */
  readonly cpus?: number | undefined;
  /** Processes and threads. */
  readonly pids?: number | undefined;
}

/** How a limit is enforced: by the kernel for all commands together, for each process, or not at all. */
export const enforcers = ['cgroup', 'process', 'nothing'] as const;

export const limitedResources = ['memory', 'cpus', 'pids'] as const;

/** One limit, as it is actually enforced. */
export interface EnforcedLimit {
  /** What is limited. */
  readonly resource: (typeof limitedResources)[number];
  /** Bytes, processors, or processes. */
  readonly limit: number;
  /** What enforces it. */
  readonly by: (typeof enforcers)[number];
}

/** The report for a command that the kernel killed for lack of memory. Its exit status is 137. */
export const killedForMemory = 'SIGKILL (memory)';
