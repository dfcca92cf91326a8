// gomote ci: what CI systems call.
import { Argument, type Command } from 'commander';
import type { GitlabOptions } from '../ci/gitlab.ts';
import type { Context } from '../context.ts';
import { appendValue } from '../values.ts';

export function define(command: Command, context: Context): void {
  command
    .addArgument(new Argument('<system>', 'the CI system').choices(['gitlab']))
    .argument(
      '<stage...>',
      'config, prepare, run or cleanup of its custom executor, and what the runner adds',
    )
    .option('--type <type>', 'for prepare: the type of machine that jobs get')
    .option(
      '--allow <type>',
      'for prepare: a type that jobs may ask for by GOMOTE_TYPE; can be repeated',
      appendValue,
      [],
    )
    .action(async (_system: string, [stage = '', ...words]: string[], options: GitlabOptions) => {
      const { gitlab } = await import('../ci/gitlab.ts');
      await gitlab(stage, words, options, context);
    });
}
