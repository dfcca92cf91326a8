// Options that several commands share.
import { Command, type Option } from 'commander';
import type { Context } from './context.ts';

export interface OptionSource {
  define(command: Command, context: Context): void;
}

/** The options with these long names, as another command defines them. */
export function optionsOf(
  module: OptionSource,
  names: readonly string[],
  context: Context,
): Option[] {
  const source = new Command();
  module.define(source, context);
  return names.flatMap((name) => source.options.find(({ long }) => long === name) ?? []);
}
