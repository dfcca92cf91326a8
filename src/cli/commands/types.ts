// gomote types: the builder types that buildlets can be created of.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { print } from '../terminal.ts';

export function define(command: Command, context: Context): void {
  command.action(async () => {
    const { catalogue } = await context.config();
    const lines = catalogue.builders.map((builder) => {
      const host = catalogue.hosts.find((candidate) => candidate.name === builder.hostType);
      return [builder.name, builder.hostType, host?.description].filter(Boolean).join('\t');
    });
    await print(context.terminal, lines.map((line) => `${line}\n`).join(''));
  });
}
