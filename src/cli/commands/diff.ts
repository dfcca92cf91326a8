// gomote diff: what the buildlet's commands have made of what was pushed to it.
import type { Command } from 'commander';
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
      const found = await context.withBuildlet(name, ({ client }) => diff(client, signal));
      const lines = found.map(({ status, path }) => `${status} ${path}`);
      await print(
        terminal,
        options.json ? listedJson(found, terminal, 2) : listed(lines, terminal),
      );
    });
}
