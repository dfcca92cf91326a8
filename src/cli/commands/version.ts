// gomote version: this program's version.
import type { Command } from 'commander';
import { readVersion } from '../../package-root.ts';
import type { Context } from '../context.ts';
import { print } from '../terminal/terminal.ts';

export function define(command: Command, context: Context): void {
  command.action(async () => {
    await print(context.terminal, `${readVersion()}\n`);
  });
}
