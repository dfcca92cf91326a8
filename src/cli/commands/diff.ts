// gomote diff: what the buildlet's commands have made of what was pushed to it.
import type { Command } from 'commander';
import { throwUncompared } from '../../gomote/diff.ts';
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
      const { terminal } = context;
      const unread: string[] = [];
      const differences = await context.withBuildlet(name, (buildlet) =>
        buildlet.diff({ onUnread: (path, reason) => unread.push(`${path}: ${reason}`) }),
      );
      const lines = differences.map(({ status, path }) => `${status} ${path}`);
      await print(
        terminal,
        options.json ? listedJson(differences, terminal, 2) : listed(lines, terminal),
      );
      throwUncompared(unread);
    });
}
