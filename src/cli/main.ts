// The command line as a function: arguments in, exit code out.
import { type EarlySocket, offerEarlySocket } from '../http/client/early-socket.ts';
import type { StartState } from '../start-state.ts';
import { Context } from './context.ts';
import { exitCodeOf } from './failure.ts';
import { type Interrupts, processInterrupts } from './interrupts.ts';
import { exactArguments } from './raw-arguments.ts';
import { print, processTerminal, type Terminal } from './terminal/terminal.ts';

interface ProgramState extends StartState {
  /** Of bin/early.js. */
  readonly early?: EarlySocket | undefined;
}

export async function run(argv: readonly string[], state?: ProgramState): Promise<number> {
  offerEarlySocket(state?.early);
  return await runOn(argv, processTerminal(state), processInterrupts(state));
}

export async function runOn(
  argv: readonly string[],
  terminal: Terminal,
  interrupts: Interrupts,
): Promise<number> {
  const context = new Context(terminal, interrupts);
  const work = () => runIn(context, argv);
  if (!traces.some((name) => terminal.environment[name])) return await work();
  const { traced } = await import('./tracing.ts');
  return await traced(argv, context, work);
}

const traces = [
  ...['TRACEPARENT', 'OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'],
];

async function runIn(context: Context, argv: readonly string[]): Promise<number> {
  const { terminal } = context;
  // The failed write itself reports a closed pipe; the event adds nothing.
  for (const stream of [terminal.stdout, terminal.stderr]) stream.on('error', ignore);
  try {
    if (argv[0] === completionEntry) {
      const { complete } = await import('./completion/complete.ts');
      await complete(argv.slice(1), context);
    } else {
      const { runProgram } = await import('./program.ts');
      await runProgram(exactArguments(argv), context);
    }
    // Output whose writing nobody waited for, such as help.
    await print(terminal, '');
    return context.exitCode;
  } catch (error) {
    return await exitCodeOf(error, context);
  }
}

/** The command that completion scripts call. It is not listed in the help. */
const completionEntry = '__complete';

const ignore = (): void => undefined;
