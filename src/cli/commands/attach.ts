// gomote attach: follows a running or finished run as if this command had started it.
import type { Command } from 'commander';
import { parseDuration } from '../../duration.ts';
import { findRun } from '../../gomote/run/find-run.ts';
import { defaultKillAfterMs } from '../../gomote/run/lost.ts';
import type { Context } from '../context.ts';
import { followSession } from '../run/follow-session.ts';
import { exitCodeOf } from '../run/run-command.ts';
import type { RunOptions } from '../run/run-options.ts';
import { reportStopped } from '../run/standstill.ts';
import { parserOfEither } from '../values.ts';

interface Options extends Pick<RunOptions, 'interactive' | 'killAfter' | 'reconnect' | 'onHangup'> {
  new?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument(
      '<id>',
      'the run, or the beginning of its id, as run --detach prints it and ps lists it',
    )
    .option('--new', 'leave out what it has written so far')
    .option(
      '-i, --interactive',
      'pass standard input, after what it has had; on a terminal also without',
    )
    .option('--kill-after <duration>', 'as for run', (text) => parseDuration('--kill-after', text))
    .option('--reconnect <duration>', 'as for run', (text) => parseDuration('--reconnect', text))
    .option('--on-hangup <what>', 'as for run', parserOfEither('--on-hangup', 'kill', 'detach'))
    .action(async (name: string, id: string, options: Options) => {
      context.exitCode = await context.withBuildlet(name, async ({ client }) => {
        const runs = await client.sessions.list({ signal: context.signal });
        const run = findRun(runs, name, id);
        const session = client.sessions.get(run.id, {
          reconnectMs: options.reconnect,
          runAhead: context.terminal.isOutputShown !== true,
          onStandstill: reportStopped(context, name, run.id),
        });
        const { input, stdout } = context.terminal;
        const tty = run.tty === true && input === 'terminal' && stdout.isTTY === true;
        const followed = await followSession(session, context, {
          name,
          tty,
          stdin: options.interactive === true,
          stdinBytes: run.stdinBytes,
          killAfterMs: options.killAfter ?? defaultKillAfterMs,
          onHangup: options.onHangup ?? 'kill',
          from: options.new ? 'end' : 0,
        });
        return exitCodeOf(followed, context);
      });
    });
}
