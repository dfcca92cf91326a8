// Options that a command has in common with others.
import { Command, type Option } from 'commander';
import type { Context } from './context.ts';

/** The options of that long names, as another command defines them. */
export function optionsOf(
  module: { define(command: Command, context: Context): void },
  names: readonly string[],
  context: Context,
): Option[] {
  const other = new Command();
  module.define(other, context);
  return other.options.filter(({ long }) => long !== undefined && names.includes(long));
}
