// gomote diff: what the buildlet's commands have made of what was pushed to it.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { diff } from '../../sync/diff.ts';
import type { Context } from '../context.ts';
import { listed, listedJson, print } from '../terminal/terminal.ts';

interface Options {
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .option('--json', 'print a JSON array')
    .action(async (name: string, options: Options) => {
      const { signal, terminal } = context;
      const unread: string[] = [];
      const differences = await context.withBuildlet(name, ({ client }) =>
        diff(client, signal, (path, reason) => unread.push(`${path}: ${reason}`)),
      );
      const lines = differences.map(({ status, path }) => `${status} ${path}`);
      await print(
        terminal,
        options.json ? listedJson(differences, terminal, 2) : listed(lines, terminal),
      );
      const [first] = unread;
      if (first === undefined) return;
      const more = unread.length > 1 ? ` and ${unread.length - 1} more` : '';
      throw new GomoteError('ERR_REPLY', `not compared: ${first}${more}`, {
        hint: 'everything else is told',
      });
    });
}
