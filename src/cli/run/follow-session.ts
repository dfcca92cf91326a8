// Follows a run to its end: its output to here, input and signals to there.
import type { LogOutputs } from '../../client/runs/log-outputs.ts';
import type { Session } from '../../client/runs/session.ts';
import type { SessionResult } from '../../client/runs/session-options.ts';
import type { GomoteError } from '../../errors.ts';
import { follow } from '../../gomote/run/follow.ts';
import { lostRun } from '../../gomote/run/lost.ts';
import type { Context } from '../context.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { CancelLadder, type LadderOptions } from './cancel-ladder.ts';

export interface FollowOptions extends LadderOptions {
  /** Where its output goes. Default: that of the context. */
  readonly terminal?: Terminal | undefined;
  readonly edit?: LogOutputs['edit'];
  readonly stdin: boolean;
  /** How many bytes of input the run has already received. Default 0. */
  readonly stdinBytes?: number | undefined;
  /** Starts the run; returns false when the buildlet cannot. Absent: the run has been started. */
  readonly start?: ((signal: AbortSignal) => Promise<boolean>) | undefined;
  readonly from?: number | 'end' | undefined;
}

export type Followed =
  | {
      readonly kind: 'ended';
      readonly result: SessionResult;
      readonly by: NodeJS.Signals | undefined;
    }
  /** The command was left running, on a signal or by `~d`. */
  | { readonly kind: 'left'; readonly by: NodeJS.Signals | undefined }
  | { readonly kind: 'not-started' };

export async function followSession(
  session: Session,
  context: Context,
  options: FollowOptions,
): Promise<Followed> {
  const ladder = new CancelLadder(session, context, options);
  const { start } = options;
  try {
    if (start !== undefined && !(await start(ladder.signal))) return { kind: 'not-started' };
    const result = await copyBothWays(session, context, options, ladder);
    return { kind: 'ended', result, by: ladder.received };
  } catch (error) {
    if (ladder.hasLeft) return { kind: 'left', by: ladder.received };
    const mayRun = start === undefined || session.mayRun;
    throw mayRun ? await lostRun(error, session, options) : error;
  } finally {
    ladder.release();
  }
}

export const reportOutage =
  ({ messages }: Context) =>
  (error: GomoteError): void =>
    messages.remark(`${error.message}; connecting again`);

async function copyBothWays(
  session: Session,
  context: Context,
  options: FollowOptions,
  ladder: CancelLadder,
): Promise<SessionResult> {
  const { from, stdinBytes, edit, terminal = context.terminal } = options;
  const { stdout, stderr, mayReuseBuffer } = terminal;
  const { signal } = ladder;
  const onLost = reportOutage(context);
  if (options.tty) {
    const { interact } = await import('../terminal/interaction.ts');
    const onDetach = () => ladder.leave();
    return await interact(session, context, { from, signal, onLost, stdinBytes, onDetach, edit });
  }
  const reading = { from, onLost, stdout, stderr, mayReuseBuffer, edit };
  if (!options.stdin) return await follow(session, { ...reading, signal });
  const { stdin } = context.terminal;
  try {
    return await follow(session, { ...reading, signal }, { source: stdin, offset: stdinBytes });
  } finally {
    stdin.destroy();
  }
}
