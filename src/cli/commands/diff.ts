// gomote diff: how the buildlet's commands have changed the tree that was pushed.
import type { Command } from 'commander';
import { throwUncompared } from '../../gomote/diff.ts';
import type { Context } from '../context.ts';
import { type ListingOptions, listingOptions, printListing } from '../terminal/listing.ts';
import { listed } from '../terminal/terminal.ts';

export function define(command: Command, context: Context): void {
  listingOptions(command.argument('<name>', 'buildlet')).action(
    async (name: string, options: ListingOptions) => {
      const { terminal } = context;
      const unread: string[] = [];
      const differences = await context.withBuildlet(name, (buildlet) =>
        buildlet.diff({ onUnread: (path, reason) => unread.push(`${path}: ${reason}`) }),
      );
      const lines = differences.map(({ status, path }) => `${status} ${path}`);
      const table = () => listed(lines, terminal);
      await printListing([...differences], options, {
        fields: ['status', 'path'],
        table,
        terminal,
      });
      throwUncompared(unread);
    },
  );
}
