// gomote whoami: prints the user's name in every backend; asks a coordinator for it.
import type { Command } from 'commander';
import { GomoteError, messageOf } from '../../errors.ts';
import type { RemoteUser } from '../../protocol/coordinator-replies.ts';
import type { Context } from '../context.ts';
import { type ListingOptions, listingOptions, printListing } from '../terminal/listing.ts';
import { formatTable } from '../terminal/table.ts';

export function define(command: Command, context: Context): void {
  listingOptions(command).action(async (options: ListingOptions) => {
    const names = context.backends.isGiven
      ? [await context.backends.defaultName()]
      : [...(await context.backends.config()).backends.keys()];
    const call = { signal: context.signal };
    const results = await Promise.allSettled(
      names.map(async (name) => {
        const backend = await context.backends.open(name);
        return (
          (await backend.whoAmI?.(call)) ?? { name: await context.backends.user(), isAdmin: false }
        );
      }),
    );
    context.signal.throwIfAborted();
    const failures: string[] = [];
    const rows: string[][] = [];
    const items: (RemoteUser & { backend: string })[] = [];
    results.forEach((result, i) => {
      if (result.status === 'rejected') failures.push(`${names[i]}: ${messageOf(result.reason)}`);
      else {
        rows.push([names[i] ?? '', ...fieldsOf(result.value)]);
        items.push({ backend: names[i] ?? '', ...result.value });
      }
    });
    const { terminal } = context;
    const table = () => formatTable(rows, terminal);
    const fields = ['backend', 'name', 'isAdmin', 'inUse', 'maximum', 'expires'];
    await printListing(items, options, { fields, table, terminal });
    if (failures.length > 0) throw new GomoteError('ERR_CONNECT', failures.join('; '));
  });
}

/** Name, role, usage and expiry of the token, as far as the coordinator sends them. */
function fieldsOf({ name, isAdmin, inUse, maximum, expires }: RemoteUser): string[] {
  if (inUse === undefined || maximum === undefined) return isAdmin ? [name, 'admin'] : [name];
  const end = expires === undefined ? [] : [`token ends ${expires.toISOString()}`];
  return [name, isAdmin ? 'admin' : 'user', `${inUse} of ${maximum} buildlets`, ...end];
}
