// gomote whoami: prints the user's name in every backend; asks a coordinator for it.
import type { Command } from 'commander';
import { GomoteError, messageOf } from '../../errors.ts';
import type { RemoteUser } from '../../protocol/coordinator-replies.ts';
import type { Context } from '../context.ts';
import { type ListingOptions, listingOptions, printListing } from '../terminal/listing.ts';
import { formatTable } from '../terminal/table.ts';

export function define(command: Command, context: Context): void {
  listingOptions(command).action(async (options: ListingOptions) => {
    const { backends, signal, terminal } = context;
    const names = backends.isGiven
      ? [await backends.defaultName()]
      : [...(await backends.config()).backends.keys()];
    const results = await Promise.allSettled(
      names.map(async (name) => {
        const backend = await backends.open(name);
        const identity = await backend.whoAmI?.({ signal });
        return { backend: name, ...(identity ?? { name: await backends.user(), isAdmin: false }) };
      }),
    );
    signal.throwIfAborted();
    const items = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const failures = results.flatMap((one, i) =>
      one.status === 'rejected' ? [`${names[i]}: ${messageOf(one.reason)}`] : [],
    );
    const table = () =>
      formatTable(
        items.map(({ backend, ...user }) => [backend, ...fieldsOf(user)]),
        terminal,
      );
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
