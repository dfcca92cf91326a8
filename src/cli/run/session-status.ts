// How a session ended as the exit status of the command line, and in words.
import { formatDuration } from '../../duration.ts';
import { GomoteError, NotStartedError } from '../../errors.ts';
import { killedForMemory } from '../../protocol/limits.ts';
import { parseProcessState } from '../../protocol/process-state.ts';
import type { SessionEnd, SessionRequest } from '../../protocol/session.ts';
import { exitCodes, signalCode } from '../exit-codes.ts';

/** What was asked for, where that is known. */
type Limits = Pick<SessionRequest, 'timeoutMs' | 'idleTimeoutMs'>;

/** A duration as it is given to options. */
export const shortDuration = (durationMs: number): string =>
  durationMs % 1_000 === 0 ? formatDuration(durationMs) : `${durationMs}ms`;

/**
 * The exit status that stands for how it ended; throws what says why there is none of its own.
 *
 * @param lostBytes How much of its output could not be read; then nothing is believed. Default 0.
 */
export function statusOf(end: SessionEnd, lostBytes = 0, limits: Limits = {}): number {
  const failure = failureOf(end, limits);
  if (failure !== undefined) throw failure;
  if (lostBytes > 0) {
    const message = `${lostBytes} bytes of output were dropped before they could be read`;
    throw new GomoteError('ERR_LOST', message, { hint: `the command itself: ${end.state}` });
  }
  if (end.signal !== null) return signalCode(end.signal);
  return localStatus(end.code ?? exitCodes.unknown);
}

/** The remote status as ours: a larger one, as Windows has them, keeps its low byte, but is never success. */
export const localStatus = (code: number): number => (code <= 255 ? code : code & 0xff || 1);

/** Why the command has no status of its own: it never started, ran out of time, or its output is not whole. */
function failureOf(
  { why, state, error }: SessionEnd,
  { timeoutMs, idleTimeoutMs }: Limits,
): GomoteError | undefined {
  if (why === 'timeout') {
    const when = timeoutMs === undefined ? '' : ` after ${shortDuration(timeoutMs)} (--timeout)`;
    return new GomoteError('ERR_TIMEOUT', `the command ran out of time${when}`);
  }
  if (why === 'idle') {
    const long =
      idleTimeoutMs === undefined ? 'too long' : `${shortDuration(idleTimeoutMs)} (--idle-timeout)`;
    return new GomoteError('ERR_TIMEOUT', `the command was without output for ${long}`);
  }
  if (why === 'log') {
    return new GomoteError('ERR_LOST', `the command was ended: ${error ?? 'its log was lost'}`, {
      hint: 'make room on the buildlet: its logs are among its temporary files',
    });
  }
  if (why !== 'not-started') return undefined;
  return notStarted(state);
}

/** The error for a command that could not be started, from the buildlet's words. */
export function notStarted(state: string): NotStartedError {
  const parsed = parseProcessState(state);
  return new NotStartedError(state, parsed?.kind === 'not-started' ? parsed.reason : 'other');
}

/** What to say of an end that the exit status alone does not tell; undefined when there is nothing. */
export function describeEnd({ why, signal }: SessionEnd): string | undefined {
  if (why === 'memory')
    return `the command ended by ${killedForMemory}: there was no memory left for it`;
  return signal === null ? undefined : `the command ended by ${signal}`;
}
