// gomote shell, also named ssh: opens the remote user's shell in the work directory.
import type { Command } from 'commander';
import { loginShell } from '../../gomote/run/login-shell.ts';
import { borrowOptions } from '../borrowed-options.ts';
import type { Context } from '../context.ts';
import { runCommand } from '../run/run-command.ts';
import type { RunOptions } from '../run/run-options.ts';
import { refuseBoth } from '../values.ts';
import * as run from './run.ts';

export function define(command: Command, context: Context): void {
  borrowOptions(command, run, '--env --env-file --reconnect', context);
  command
    .argument('<name>', 'buildlet')
    .argument(
      '[cmd...]',
      'run this by the shell, its words joined by spaces, as ssh does (run takes them as they are)',
    )
    .option('--dir <dir>', 'where to begin, as with run (default: where this tree was pushed)')
    .option('-t, --tty', 'on a terminal (default: without CMD, if this is one)')
    .option('-T, --no-tty', 'on no terminal')
    .option('--forward', 'forward each port that is opened in it, as with run')
    .passThroughOptions()
    .on('option:tty', () => refuseBoth(command, '-t', '-T'))
    .on('option:no-tty', () => refuseBoth(command, '-T', '-t'))
    .action(async (name: string, words: string[], options: RunOptions) => {
      // As with run, -- may stand before the command.
      const line = (words[0] === '--' ? words.slice(1) : words).join(' ');
      context.exitCode = await runCommand(
        () => ({ name, ...loginShell(line) }),
        { interactive: true, ...(line !== '' && { tty: false }), ...options, system: true },
        context,
      );
    });
}
