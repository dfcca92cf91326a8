// How a session ended as the exit status of the command line, and in words.
import { failureOf, type Limits } from '../../gomote/run/ending.ts';
import { killedForMemory } from '../../protocol/limits.ts';
import type { SessionEnd } from '../../protocol/session.ts';
import { exitCodes, signalCode } from '../exit-codes.ts';

const limitNames = { timeoutMs: '--timeout', idleTimeoutMs: '--idle-timeout' };

/**
 * The exit status that stands for how it ended; throws what says why there is none of its own.
 *
 * @param lostBytes How much of its output could not be read; then nothing is believed. Default 0.
 */
export function statusOf(end: SessionEnd, lostBytes = 0, limits: Limits = {}): number {
  const failure = failureOf(end, lostBytes, limits, limitNames);
  if (failure !== undefined) throw failure;
  if (end.signal !== null) return signalCode(end.signal);
  return localStatus(end.code ?? exitCodes.unknown);
}

/** The remote status as ours: a larger one, as Windows has them, keeps its low byte, but is never success. */
export const localStatus = (code: number): number => (code <= 255 ? code : code & 0xff || 1);

/** What to say of an end that the exit status alone does not tell; undefined when there is nothing. */
export function describeEnd({ why, signal }: SessionEnd): string | undefined {
  if (why === 'memory')
    return `the command ended by ${killedForMemory}: there was no memory left for it`;
  return signal === null ? undefined : `the command ended by ${signal}`;
}
