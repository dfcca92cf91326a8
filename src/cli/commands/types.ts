// gomote types: the builder types that buildlets can be created of.
import type { Command } from 'commander';
import { hostTypeOf } from '../../builders.ts';
import type { Context } from '../context.ts';
import { formatTable } from '../terminal/table.ts';
import { print } from '../terminal/terminal.ts';

export function define(command: Command, context: Context): void {
  command.action(async () => {
    const { catalogue: own } = await context.config();
    const backend = await context.backend();
    const theirs = await backend.types?.({ signal: context.signal });
    const catalogue = theirs ?? own;
    const header = context.terminal.stdout.isTTY ? [['TYPE', 'HOST TYPE', 'DESCRIPTION']] : [];
    const rows = catalogue.builders.map((builder) => {
      const { name, description } = hostTypeOf(catalogue, builder);
      return [builder.name, name, description ?? ''].filter((cell) => cell !== '');
    });
    await print(context.terminal, formatTable([...header, ...rows], context.terminal));
  });
}
