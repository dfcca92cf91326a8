// Options that several commands share.
import { Command } from 'commander';
import type { Context } from './context.ts';

export interface OptionSource {
  define(command: Command, context: Context): void;
}

/** Adds options as another command defines them. `names`: their long names, with blanks between them. */
export function borrowOptions(
  command: Command,
  from: OptionSource,
  names: string,
  context: Context,
): void {
  const source = new Command();
  from.define(source, context);
  for (const name of names.split(/\s+/)) {
    const option = source.options.find(({ long }) => long === name);
    if (option !== undefined) command.addOption(option);
  }
}
