// gomote cache: directories that outlive buildlets.
import type { Command } from 'commander';
import { formatAge } from '../../duration.ts';
import { GomoteError } from '../../errors.ts';
import type { ListedCache } from '../../gomote/caches.ts';
import type { Context } from '../context.ts';
import { forEachNamed, throwAll } from '../failures.ts';
import { type ListingOptions, listingOptions, printListing } from '../terminal/listing.ts';
import { type Column, formatColumns } from '../terminal/table.ts';
import { printJson } from '../terminal/terminal.ts';
import { formatBytes } from '../transfer/format-bytes.ts';
import { verbOf } from '../values.ts';

type Verb = (names: readonly string[], options: ListingOptions, context: Context) => Promise<void>;

export function define(command: Command, context: Context): void {
  listingOptions(command)
    .argument('<what>', `what to do: ${Object.keys(verbs).join(', ')}`)
    .argument('[name...]', 'to purge: the caches (default: all)')
    .action(async (what: string, names: string[], options: ListingOptions) => {
      await verbOf(verbs, what, 'cache')(names, options, context);
    });
}

const verbs: Readonly<Record<'list' | 'purge', Verb>> = {
  list: async (names, options, context) => {
    if (names.length > 0) {
      throw new GomoteError('ERR_USAGE', 'cache list takes no names', { hint: 'leave them out' });
    }
    const { gomote, terminal } = context;
    const failures: GomoteError[] = [];
    const all = await gomote.caches({ onFailure: (error) => failures.push(error) });
    const table = () => formatColumns(all, columns, terminal);
    await printListing(all.map(toJson), options, { fields, table, terminal });
    throwAll(failures);
  },
  purge: async (given, options, context) => {
    const { gomote, terminal } = context;
    const failures: GomoteError[] = [];
    const onFailure = (error: GomoteError) => failures.push(error);
    const all = given.length > 0 ? [] : await gomote.caches({ onFailure });
    await forEachNamed(
      [...given, ...all.map(({ name }) => name)],
      async (name) => {
        const call = given.length > 0 ? {} : { onFailure: () => undefined };
        await gomote.purgeCache(name, call);
        if (options.json) await printJson(terminal, name);
      },
      (counts) => `${counts} were not purged`,
    );
    throwAll(failures);
  },
};

const fields = ['name', 'backend', 'machine', 'owner', 'bytes', 'used', 'buildlets'] as const;

const toJson = (cache: ListedCache): Readonly<Record<string, unknown>> =>
  Object.fromEntries(fields.map((field) => [field, cache[field] ?? null]));

const columns: Column<ListedCache>[] = [
  { title: 'CACHE', cell: ({ name }) => name },
  { title: 'BACKEND', cell: ({ backend }) => backend },
  { title: 'MACHINE', cell: ({ machine }) => machine ?? '', isForPeople: true },
  { title: 'SIZE', cell: ({ bytes }) => (bytes === undefined ? '?' : formatBytes(bytes)) },
  { title: 'IDLE', cell: ({ used }) => (used ? formatAge(used) : ''), isForPeople: true },
  { title: 'USED BY', cell: ({ buildlets }) => buildlets.join(' ') },
];
