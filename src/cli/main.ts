// The command line as a function: arguments in, exit code out; the one place where errors end.
import { errnoOf, GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { printable } from '../printable.ts';
import type { StartState } from '../start-state.ts';
import { Context } from './context.ts';
import { exitCodes, runFailureCode, signalCode } from './exit-codes.ts';
import { type Interrupts, processInterrupts } from './interrupts.ts';
import { exactArguments } from './raw-arguments.ts';
import { colorRed, print, processTerminal, type Terminal } from './terminal/terminal.ts';

/** Runs the command line of this process; resolves with its exit code. */
export const run = (argv: readonly string[], state?: StartState): Promise<number> =>
  runOn(argv, processTerminal(state), processInterrupts(state));

/** Runs one command line; resolves with the exit code for the process. */
export async function runOn(
  argv: readonly string[],
  terminal: Terminal,
  interrupts: Interrupts,
): Promise<number> {
  const context = new Context(terminal, interrupts);
  // The failure of the write reports a reader that has gone; the event adds nothing.
  for (const stream of [terminal.stdout, terminal.stderr]) stream.on('error', ignore);
  try {
    if (argv[0] === completionEntry) {
      const { complete } = await import('./completion/complete.ts');
      await complete(argv.slice(1), context);
    } else {
      const { runProgram } = await import('./program.ts');
      await runProgram(exactArguments(argv), context);
    }
    // What was written without being waited for, such as help.
    await print(terminal, '');
    return context.exitCode;
  } catch (error) {
    return await exitCodeOf(error, context, interrupts);
  }
}

/** What the scripts of `gomote completion` call; no help lists it. */
const completionEntry = '__complete';

const ignore = (): void => undefined;

async function exitCodeOf(
  thrown: unknown,
  context: Context,
  interrupts: Interrupts,
): Promise<number> {
  // A write after one that failed says no more than that: what counts is why the first failed.
  const isLate = errnoOf(thrown) === 'ERR_STREAM_DESTROYED';
  const error = (isLate && context.terminal.stdout.errored) || thrown;
  // Of all that can break, only our own output fails with this: what the network does is a GomoteError.
  if (errnoOf(error) === 'EPIPE') return exitCodes.brokenPipe;
  if (interrupts.received !== undefined) return signalCode(interrupts.received);
  await report(error, context);
  if (context.isRun) return runFailureCode(error);
  return isGomoteError(error, 'ERR_USAGE') ? exitCodes.usage : exitCodes.failed;
}

/** The message; where Node alone has none that helps, ours. */
function wordsOf(error: unknown): string {
  const isHere = (error as { syscall?: unknown } | undefined)?.syscall === 'uv_cwd';
  return isHere ? 'the current directory does not exist' : messageOf(error);
}

/** One line: what failed, the value given, what to do next. The stack only with `--verbose`. */
async function report(error: unknown, context: Context): Promise<void> {
  const hint = error instanceof GomoteError && error.hint !== undefined ? `; ${error.hint}` : '';
  const line = printable(`${wordsOf(error)}${hint}`.replaceAll(/\s*\n\s*/g, ' '));
  const { stderr, environment } = context.terminal;
  stderr.write(`${await colorRed(stderr, environment, context.color, 'gomote:')} ${line}\n`);
  if (!context.verbose) return;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    stderr.write(`${printable(cause.stack ?? cause.message, { newlines: true })}\n`);
  }
}
