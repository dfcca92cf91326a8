// gomote fork: new buildlets with what is in the work directory of another.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { listedJson, print } from '../terminal/terminal.ts';
import { parseCount } from '../values.ts';

interface Options {
  count?: number;
  json?: boolean;
}

const countLimit = 100;

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .option('--count <n>', 'how many to make: all or none', (text) =>
      parseCount('--count', text, countLimit),
    )
    .option('--json', 'print the names as a JSON array')
    .action(async (name: string, { count = 1, json }: Options) => {
      const { messages, terminal } = context;
      const names = await context.withBuildlet(name, (buildlet) =>
        messages.during(`copying ${name}`, (onProgress) => buildlet.fork({ count, onProgress })),
      );
      await print(
        terminal,
        json ? listedJson(names, terminal) : names.map((one) => `${one}\n`).join(''),
      );
    });
}
