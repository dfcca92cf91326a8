// Time limits: of a command, as callers give it, and of the wait for a reply.
import { GomoteError } from '../errors.ts';

/**
 * How long the header of a reply may take that needs no work, in ms. One behind Go's coordinator says nothing at all of
 * some failures, while heartbeats continue.
 */
export const headersLimitMs = 60_000;

/** The limit in ms; undefined when there is none: 0, Infinity, or not given. Throws ERR_USAGE for an invalid time. */
export function timeLimitMs(name: string, limitMs: number | undefined): number | undefined {
  const durationMs = checkedDurationMs(name, limitMs, 'give a positive number, or 0 for no limit');
  return durationMs === 0 || durationMs === Infinity ? undefined : durationMs;
}

/** The duration in ms as given, where 0 is an ordinary duration. Throws ERR_USAGE for an invalid time. */
export function checkedDurationMs(
  name: string,
  durationMs: number | undefined,
  hint = 'give 0 or a positive number',
): number | undefined {
  if (durationMs === undefined || (typeof durationMs === 'number' && durationMs >= 0)) {
    return durationMs;
  }
  throw new GomoteError('ERR_USAGE', `${name} ${durationMs} is not a time in milliseconds`, {
    hint,
  });
}
