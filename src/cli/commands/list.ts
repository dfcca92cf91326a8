// gomote list: lists your buildlets in every configured backend.
import type { Command } from 'commander';
import { formatAge, formatDuration } from '../../duration.ts';
import { type GomoteError, messageOf } from '../../errors.ts';
import type { ListedBuildlet } from '../../gomote/list.ts';
import { hasLabels } from '../../protocol/labels.ts';
import type { Context } from '../context.ts';
import { throwAll } from '../failures.ts';
import { addWantedOf, type WantedLabel } from '../labels.ts';
import { type ListingOptions, listingOptions, printListing } from '../terminal/listing.ts';
import { type Column, formatColumns } from '../terminal/table.ts';
import { printLines } from '../terminal/terminal.ts';
import { Groups } from '../which/groups.ts';
import { type AskedBackends, isThere } from '../which/names.ts';

interface Options extends ListingOptions {
  all?: boolean;
  namesOnly?: boolean;
  label: readonly WantedLabel[];
}

interface Row extends ListedBuildlet {
  readonly groups: readonly string[];
}

export function define(command: Command, context: Context): void {
  listingOptions(command)
    .option(
      '--all',
      'also those of others, with owner and machine, from coordinators whose admin you are',
    )
    .option('-q, --names-only', 'print names only, one a line')
    .option(
      '--label <key[=value]>',
      'only those with this label; can be repeated: all of them',
      addWantedOf('--label'),
      [],
    )
    .action((options: Options) => list(options, context));
}

async function list(options: Options, context: Context): Promise<void> {
  const failures: GomoteError[] = [];
  const onFailure = (error: GomoteError) => failures.push(error);
  const found = await context.gomote.list({ onFailure, everybody: options.all });
  const membership = groupsOfMembers(context);
  const all = found.map((one) => ({ ...one, groups: membership.get(one.name) ?? [] }));
  if (failures.length === 0) await dropGone(all, context);
  const rows = all.filter(({ labels }) => hasLabels(labels, options.label));
  const { terminal } = context;
  if (options.namesOnly) {
    const names = rows.map(({ name }) => name);
    await printLines(terminal, names);
  } else {
    const table = () => formatColumns(rows, columnsFor(rows, options), terminal);
    await printListing(rows.map(toJson), options, { fields, table, terminal });
  }
  throwAll(failures);
}

const columnsFor = (rows: readonly Row[], { all }: Options): Column<Row>[] => [
  ...columns,
  ...(rows.some(({ labels }) => labels !== undefined) ? [labelColumn] : []),
  ...(all ? adminColumns : []),
];

const labelColumn: Column<Row> = {
  title: 'LABELS',
  cell: ({ labels = {} }) =>
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(' '),
  isForPeople: true,
};

const columns: Column<Row>[] = [
  { title: 'NAME', cell: nameAndGroups },
  { title: 'TYPE', cell: ({ builderType }) => builderType },
  { title: 'AGE', cell: ({ created }) => (created ? formatAge(created) : ''), isForPeople: true },
  { title: 'STATE', cell: condition },
];

function nameAndGroups({ name, groups }: Row): string {
  return groups.length === 0 ? name : `${name} (${groups.join(', ')})`;
}

const adminColumns: Column<Row>[] = [
  { title: 'OWNER', cell: ({ owner }) => owner ?? '' },
  { title: 'MACHINE', cell: ({ machine }) => machine ?? '' },
];

function condition(row: ListedBuildlet): string {
  if (row.dead !== undefined) return row.dead;
  const trouble = row.trouble === undefined ? '' : `, ${row.trouble}`;
  if (row.expires === undefined) return `does not expire${trouble}`;
  const leftMs = Math.max(0, row.expires.getTime() - Date.now());
  return `expires in ${formatDuration(leftMs)}${trouble}`;
}

function stateOf({
  dead,
  trouble,
}: Pick<ListedBuildlet, 'dead' | 'trouble'>): 'running' | 'unwell' | 'dead' {
  if (dead !== undefined) return 'dead';
  return trouble === undefined ? 'running' : 'unwell';
}

const toJson = ({ backend, instance, dead, trouble, ...row }: Row) => ({
  backend,
  name: instance,
  fullName: row.name,
  builderType: row.builderType,
  hostType: row.hostType,
  owner: row.owner,
  machine: row.machine,
  created: row.created,
  expires: row.expires,
  state: stateOf({ dead, trouble }),
  reason: dead ?? trouble,
  groups: row.groups,
  labels: row.labels,
});

const fields = [
  ...['backend', 'name', 'fullName', 'builderType', 'hostType', 'owner', 'machine'],
  ...['created', 'expires', 'state', 'reason', 'groups', 'labels'],
];

function groupsOfMembers({ backends }: Context): Map<string, string[]> {
  const result = new Map<string, string[]>();
  for (const { name, members } of new Groups(backends.configDir).all()) {
    for (const member of members) result.set(member, [...(result.get(member) ?? []), name]);
  }
  return result;
}

/** Removes from the groups those that are neither listed nor found by name. */
async function dropGone(
  listed: readonly { readonly name: string }[],
  context: Context,
): Promise<void> {
  const known = new Set(listed.map(({ name }) => name));
  const missing = [...groupsOfMembers(context).keys()].filter((name) => !known.has(name));
  const asked: AskedBackends = new Map();
  const gone = await Promise.all(
    missing.map(async (name) => {
      try {
        return (await isThere(name, context, asked)) ? [] : [name];
      } catch (error) {
        context.messages.detail(`gomote: ${name}: ${messageOf(error)}`);
        return [];
      }
    }),
  );
  if (gone.flat().length > 0) new Groups(context.backends.configDir).prune(gone.flat());
}
