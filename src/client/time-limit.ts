// The longest times: of a command, as callers give it, and of the wait for a reply.
import { GomoteError } from '../errors.ts';

/**
 * How long the header of a reply may take that needs no work, in ms. One behind Go's coordinator says nothing at all of
 * some failures, while heartbeats go on.
 */
export const headersLimitMs = 60_000;

/** The limit in ms; undefined when there is none: 0, Infinity, or not given. Throws ERR_USAGE for what is no time. */
export function timeLimitMs(name: string, limitMs: number | undefined): number | undefined {
  if (limitMs === undefined || limitMs === 0 || limitMs === Infinity) return undefined;
  if (typeof limitMs === 'number' && limitMs > 0 && limitMs <= Number.MAX_SAFE_INTEGER) {
    return limitMs;
  }
  throw new GomoteError('ERR_USAGE', `${name} ${limitMs} is not a time in milliseconds`, {
    hint: 'give a positive number, or 0 for no limit',
  });
}
