// The exit codes of docs/errors.md that are not a remote command's own.
import { isGomoteError, NotStartedError } from '../errors.ts';
import { endingSignal } from '../protocol/signals.ts';

export const exitCodes = {
  failed: 1,
  usage: 2,
  timeout: 124,
  unknown: 125,
  notExecutable: 126,
  notFound: 127,
  /** A closed pipe on stdout: the status of a program that SIGPIPE ended. */
  brokenPipe: 128 + 13,
};

export const signalCode = (name: string): number => 128 + (endingSignal(name)?.number ?? 0);

/** The status of a command such as `run` when gomote itself fails. */
export function runFailureCode(error: unknown): number {
  if (error instanceof NotStartedError) {
    if (error.reason === 'not-found') return exitCodes.notFound;
    return error.reason === 'not-executable' ? exitCodes.notExecutable : exitCodes.unknown;
  }
  return isGomoteError(error, 'ERR_TIMEOUT') ? exitCodes.timeout : exitCodes.unknown;
}
