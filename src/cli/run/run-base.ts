// Running a command on a buildlet without sessions, as Go's: one connection, merged output, no input.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError } from '../../errors.ts';
import type { SessionRequest } from '../../protocol/session.ts';
import type { Context } from '../context.ts';
import type { RunOptions } from './run-command.ts';
import { localStatus } from './session-status.ts';

/** Options that need a session, and how they are written. */
const needSession: ReadonlyArray<[keyof RunOptions, string]> = [
  ['detach', '--detach'],
  ['id', '--id'],
  ['idleTimeout', '--idle-timeout'],
  ['interactive', '-i'],
  ['killAfter', '--kill-after'],
  ['onHangup', '--on-hangup'],
  ['tty', '-t'],
];

/** Runs it; the result is the exit status. */
export async function runWithoutSession(
  client: BuildletClient,
  request: SessionRequest,
  options: RunOptions,
  context: Context,
): Promise<number> {
  const [, option] = needSession.find(([key]) => options[key]) ?? [];
  if (option !== undefined) {
    throw new GomoteError(
      'ERR_UNSUPPORTED',
      `${client.name} has no sessions, which ${option} needs`,
      {
        hint: `leave ${option} out, or run a newer buildlet there`,
      },
    );
  }
  if (request.stdin)
    context.talk.say(`gomote: ${client.name} has no sessions: its commands get no input`);
  const result = await client.exec(request.cmd, {
    args: request.args,
    systemLevel: request.systemLevel,
    debug: request.debug,
    dir: request.dir,
    extraEnv: request.env,
    path: request.path,
    timeoutMs: options.timeout || undefined,
    output: context.terminal.stdout,
    signal: context.signal,
  });
  if (result.signalNumber === undefined) return localStatus(result.exitCode ?? 125);
  context.talk.say(`gomote: the command ended by ${result.signal}`);
  return 128 + result.signalNumber;
}
