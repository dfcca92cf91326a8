// gomote types: lists the builder types.
import type { Command } from 'commander';
import { hostTypeOf } from '../../builders.ts';
import type { Context } from '../context.ts';
import { type ListingOptions, listingOptions, printListing } from '../terminal/listing.ts';
import { formatTable } from '../terminal/table.ts';

export function define(command: Command, context: Context): void {
  listingOptions(command).action(async (options: ListingOptions) => {
    const { backends, signal, terminal } = context;
    const catalogue = await backends.catalogueOf(await backends.open(), signal);
    const header = terminal.stdout.isTTY ? [['TYPE', 'HOST TYPE', 'DESCRIPTION']] : [];
    const items = catalogue.builders.map((builder) => {
      const { name: hostType, description } = hostTypeOf(catalogue, builder);
      return { name: builder.name, hostType, description };
    });
    const rows = items.map(({ name, hostType, description }) =>
      [name, hostType, description ?? ''].filter((cell) => cell !== ''),
    );
    const table = () => formatTable([...header, ...rows], terminal);
    const fields = ['name', 'hostType', 'description'];
    await printListing(items, options, { fields, table, terminal });
  });
}
