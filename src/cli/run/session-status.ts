// How a session ended, as an exit status and in words.
import { failureOf, type Limits, localStatus } from '../../gomote/run/ending.ts';
import { killedForMemory } from '../../protocol/limits.ts';
import type { SessionEnd } from '../../protocol/session.ts';
import { exitCodes, signalCode } from '../exit-codes.ts';

const limitNames = { timeoutMs: '--timeout', idleTimeoutMs: '--idle-timeout' };

/**
 * The exit status for how the session ended. Throws an error that says why when there is none.
 *
 * @param lostBytes How much of its output could not be read; when it is not 0, the status is unknown. Default 0.
 */
export function statusOf(end: SessionEnd, lostBytes = 0, limits: Limits = {}): number {
  const failure = failureOf(end, lostBytes, limits, limitNames);
  if (failure !== undefined) throw failure;
  if (end.signal !== null) return signalCode(end.signal);
  return localStatus(end.code ?? exitCodes.unknown);
}

/** The remark for an end that the exit status alone does not explain; undefined when there is none. */
export function describeEnd({ why, signal }: SessionEnd): string | undefined {
  if (why === 'memory')
    return `the command ended by ${killedForMemory}: there was no memory left for it`;
  return signal === null ? undefined : `the command ended by ${signal}`;
}
