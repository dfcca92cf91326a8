// The exit status of a command on several buildlets.
import { exitCodes } from '../exit-codes.ts';

/** The common one; 125 when the outcome of one is unknown; else 1. */
export function commonStatus(statuses: readonly number[]): number {
  const different = new Set(statuses);
  const [first = 0] = different;
  if (different.size <= 1) return first;
  return different.has(exitCodes.unknown) ? exitCodes.unknown : exitCodes.failed;
}
