// What a run used of its machine, in words.
import type { RunUsage, SessionEnd } from '../../protocol/session.ts';
import { formatBytes } from '../transfer/format-bytes.ts';

/** Seconds with two digits, as the shell's `time` has them. */
const seconds = (durationMs: number): string => `${(durationMs / 1_000).toFixed(2)}s`;

/** `1.25s`, or `-` where it is not known. */
export const cpuTime = (usage: RunUsage | undefined): string =>
  usage === undefined ? '-' : seconds(usage.cpuMs);

/** `24.1 MB`, or `-` where it is not known. */
export const peakMemory = (usage: RunUsage | undefined): string =>
  usage?.peakMemoryBytes === undefined ? '-' : formatBytes(usage.peakMemoryBytes);

export function usageLine({ durationMs, usage }: SessionEnd): string {
  const real = `${seconds(durationMs)} real`;
  if (usage === undefined) return `${real}; the buildlet does not tell what it used`;
  const { peakMemoryBytes, memoryBy } = usage;
  const memory =
    peakMemoryBytes === undefined
      ? 'too short to see its memory'
      : `${formatBytes(peakMemoryBytes)} of memory at most (${memoryBy === 'cgroup' ? 'by its control group' : 'sampled'})`;
  return `${real}, ${seconds(usage.cpuMs)} CPU, ${memory}`;
}
