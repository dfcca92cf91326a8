// Programs of the system that some tests need.
import { spawnSync } from 'node:child_process';

/**
 * Whether the program is there; when it is not, its tests are skipped and that is said loudly. In CI it must be there.
 *
 * @param args What it answers with status 0.
 */
export function hasTool(program: string, ...args: string[]): boolean {
  if (spawnSync(program, args.length > 0 ? args : ['--version']).status === 0) return true;
  return missing(`${program} is not installed`);
}

/** Whether this user is root, who makes files of other users; said as `hasTool` says it. */
export const hasRoot = (): boolean => process.getuid?.() === 0 || missing('this user is not root');

/** As `hasTool`, for whatever else is missing. */
export function missing(what: string): false {
  if (process.env.CI) throw new Error(`${what}: CI has to run its tests too`);
  process.stderr.write(`\n*** TESTS ARE SKIPPED: ${what}. ***\n\n`);
  return false;
}
