// A command on a terminal of its own.
import type { TerminalRequest } from '../protocol/session.ts';
import type { PreparedCommand, RunningCommand } from './command.ts';

/** Starts the command on a terminal, or gives the Process-State text that says why it did not start. */
export async function startTerminalCommand(
  _command: PreparedCommand,
  _terminal: TerminalRequest,
): Promise<RunningCommand | { notStarted: string }> {
  return { notStarted: 'this buildlet has no terminals' };
}
