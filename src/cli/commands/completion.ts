// gomote completion: prints a shell script that completes gomote command lines.
import { Argument, type Command } from 'commander';
import { scripts } from '../completion/scripts.ts';
import type { Context } from '../context.ts';
import { print } from '../terminal/terminal.ts';

export function define(command: Command, context: Context): void {
  command
    .addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(scripts)))
    .action(async (shell: string) => {
      await print(context.terminal, scripts[shell] ?? '');
    });
}
