// Limits of commands: their units, how they are enforced, and what is reported of a command that was killed for one.

/** The most that the commands of one buildlet may use; what is absent is not limited. */
export interface ResourceLimits {
  readonly memoryBytes?: number | undefined;
  /** Such as 1.5. */
  readonly cpus?: number | undefined;
  /** Processes and threads. */
  readonly pids?: number | undefined;
}

/** What holds a limit: the kernel for all commands together, for each process alone, or nothing here. */
export const enforcers = ['cgroup', 'process', 'nothing'] as const;

export const limitedResources = ['memory', 'cpus', 'pids'] as const;

/** One limit, as it is really enforced. */
export interface EnforcedLimit {
  /** What is limited. */
  readonly resource: (typeof limitedResources)[number];
  /** Bytes, processors, or processes. */
  readonly limit: number;
  /** What enforces it. */
  readonly by: (typeof enforcers)[number];
}

/** What is said of a command that the kernel has killed for want of memory. Its exit status is 137. */
export const killedForMemory = 'SIGKILL (memory)';
