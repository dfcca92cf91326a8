// gomote diff: what the buildlet's commands have made of what was pushed to it.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { diff } from '../../sync/diff.ts';
import type { Context } from '../context.ts';
import { listed, listedJson, print } from '../terminal.ts';

interface Options {
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .option('--json', 'print a JSON array')
    .action(async (name: string, options: Options) => {
      const { signal, terminal } = context;
      const unlisted: string[] = [];
      const differences = await context.withBuildlet(name, ({ client }) =>
        diff(client, signal, (line) => unlisted.push(line)),
      );
      const lines = differences.map(({ status, path }) => `${status} ${path}`);
      await print(
        terminal,
        options.json ? listedJson(differences, terminal, 2) : listed(lines, terminal),
      );
      const [first] = unlisted;
      if (first === undefined) return;
      throw new GomoteError(
        'ERR_REPLY',
        `${unlisted.length} names with a newline or tab are not among these, such as ${JSON.stringify(first)}`,
        { hint: `the buildlet cannot list them: rename them there` },
      );
    });
}
