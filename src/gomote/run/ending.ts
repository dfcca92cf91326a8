// Errors for runs whose command has no exit status.
import { formatDuration } from '../../duration.ts';
import { GomoteError, NotStartedError } from '../../errors.ts';
import { parseProcessState } from '../../protocol/process-state.ts';
import type { SessionEnd, SessionRequest } from '../../protocol/session.ts';

/** The remote status as a local one: a larger value, as on Windows, keeps its low byte but never becomes 0. */
export const localStatus = (code: number): number => (code <= 255 ? code : code & 0xff || 1);

export type Limits = Pick<SessionRequest, 'timeoutMs' | 'idleTimeoutMs'>;

/** The caller's names of the two limits, for messages. */
type LimitNames = Record<keyof Limits, string>;

const ownNames: LimitNames = { timeoutMs: 'timeoutMs', idleTimeoutMs: 'idleTimeoutMs' };

/**
 * Returns why the command has no exit status: it never started, ran out of time, or its output is incomplete.
 *
 * @param lostBytes How much output could not be read; more than 0 is a failure, whatever the status.
 */
export function failureOf(
  end: SessionEnd,
  lostBytes: number,
  limits: Limits = {},
  names = ownNames,
): GomoteError | undefined {
  const failure = failureOfEnd(end, limits, names);
  if (failure !== undefined || lostBytes === 0) return failure;
  const message = `${lostBytes} bytes of output were dropped before they could be read`;
  return new GomoteError('ERR_LOST', message, { hint: `the command itself: ${end.state}` });
}

/** Formats a duration as options accept it. */
export const shortDuration = (durationMs: number): string =>
  durationMs % 1_000 === 0 ? formatDuration(durationMs) : `${durationMs}ms`;

function failureOfEnd(
  { why, state, error }: SessionEnd,
  { timeoutMs, idleTimeoutMs }: Limits,
  names: LimitNames,
): GomoteError | undefined {
  if (why === 'timeout') {
    const when =
      timeoutMs === undefined ? '' : ` after ${shortDuration(timeoutMs)} (${names.timeoutMs})`;
    return new GomoteError('ERR_TIMEOUT', `the command ran out of time${when}`);
  }
  if (why === 'idle') {
    const long =
      idleTimeoutMs === undefined
        ? 'too long'
        : `${shortDuration(idleTimeoutMs)} (${names.idleTimeoutMs})`;
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
