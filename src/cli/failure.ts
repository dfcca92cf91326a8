// The one place where errors end: as a line on stderr and an exit code.
import { errnoOf, GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { ownFileError } from '../files/local-error.ts';
import { printable } from '../printable.ts';
import type { Context } from './context.ts';
import { exitCodes, runFailureCode, signalCode } from './exit-codes.ts';
import { colorRed } from './terminal/terminal.ts';

/** Reports the failure of a command, unless a signal or a closed pipe explains it. Returns the exit code. */
export async function exitCodeOf(thrown: unknown, context: Context): Promise<number> {
  const { interrupts } = context;
  // The error of a later write only says that an earlier one failed; report why the first did.
  const isLate = errnoOf(thrown) === 'ERR_STREAM_DESTROYED';
  const first = (isLate && context.terminal.stdout.errored) || thrown;
  const error = ownFileError(first);
  // Only our own output fails with this code: network failures are GomoteErrors.
  if (errnoOf(error) === 'EPIPE') return exitCodes.brokenPipe;
  if (interrupts.received !== undefined) return signalCode(interrupts.received);
  const exitCode = context.isRun
    ? runFailureCode(error)
    : isGomoteError(error, 'ERR_USAGE')
      ? exitCodes.usage
      : exitCodes.failed;
  if (context.isJson) reportJson(error, exitCode, context);
  else await report(error, context);
  return exitCode;
}

export function reportJson(error: unknown, exitCode: number, { terminal }: Context): void {
  const { code, hint } =
    error instanceof GomoteError
      ? error
      : { code: errnoOf(error) ?? 'ERR_UNKNOWN', hint: undefined };
  const message = printable(wordsOf(error));
  terminal.stderr.write(`${JSON.stringify({ code, message, hint, exitCode })}\n`);
}

/** The message, or our own where Node's does not help. */
function wordsOf(error: unknown): string {
  const isHere = (error as { syscall?: unknown } | undefined)?.syscall === 'uv_cwd';
  return isHere ? 'the current directory does not exist' : messageOf(error);
}

/** One line: what failed, the value given, what to do next. The stack only with `--verbose`. */
async function report(error: unknown, context: Context): Promise<void> {
  const hint = error instanceof GomoteError ? error.hint : undefined;
  const words =
    hint === undefined ? wordsOf(error) : `${wordsOf(error).replace(/\.$/, '')}; ${hint}`;
  const line = printable(words.replaceAll(/\s*\n\s*/g, ' '));
  const { stderr, environment } = context.terminal;
  stderr.write(`${await colorRed(stderr, environment, context.color, 'gomote:')} ${line}\n`);
  if (!context.verbose) return;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    stderr.write(`${printable(cause.stack ?? cause.message, { newlines: true })}\n`);
  }
}
