// gomote snapshot: what is in the work directories of buildlets, kept for later ones.
import { type Command, Option } from 'commander';
import { formatAge } from '../../duration.ts';
import { GomoteError } from '../../errors.ts';
import type { Snapshot } from '../../gomote/snapshots.ts';
import { plural } from '../../plural.ts';
import type { Context } from '../context.ts';
import { forEachNamed, throwAll } from '../failures.ts';
import { type ListingOptions, listingOptions, printListing } from '../terminal/listing.ts';
import { type Column, formatColumns } from '../terminal/table.ts';
import { printJson } from '../terminal/terminal.ts';
import { formatBytes } from '../transfer/format-bytes.ts';
import { appendValue, parseMemoryOption, verbOf } from '../values.ts';

interface Options extends ListingOptions {
  exclude: string[];
  kind?: Snapshot['kind'];
  maxSize?: number;
  here?: boolean;
  shared?: boolean;
}

type Verb = (names: readonly string[], options: Options, context: Context) => Promise<void>;

export function define(command: Command, context: Context): void {
  listingOptions(command)
    .argument('<what>', `what to do: ${Object.keys(verbs).join(', ')}`)
    .argument(
      '[name...]',
      'to create one: the buildlet, and what the snapshot is called (default: its name and a number); else the snapshots',
    )
    .option(
      '--exclude <path>',
      'leave out this file or directory, relative to the work directory; can be repeated',
      appendValue,
      [],
    )
    .addOption(
      new Option(
        '--kind <kind>',
        "what to keep: the work directory, or an image of the machine's whole file system, where the backend can (default: files)",
      ).choices(['files', 'image']),
    )
    .option('--max-size <size>', 'the most that it may hold, such as 4g (default: 32g)', (text) =>
      parseMemoryOption('--max-size', text),
    )
    .option('--here', 'keep it on this machine, also where a coordinator keeps snapshots')
    .option('--shared', 'let all users of the coordinator begin buildlets with it')
    .action(async (what: string, names: string[], options: Options) => {
      await verbOf(verbs, what, 'snapshot')(names, options, context);
    });
}

const verbs: Readonly<
  Record<'create' | 'list' | 'inspect' | 'prepare' | 'share' | 'unshare' | 'remove', Verb>
> = {
  create: async ([name, tag, ...more], options, context) => {
    if (name === undefined || more.length > 0) throw usage('create NAME [TAG]');
    const { exclude, kind, maxSize: maxBytes, here, shared } = options;
    const { signal, messages, terminal } = context;
    const made = await context.withBuildlet(name, (buildlet) =>
      messages.during('keeping the work directory', () =>
        buildlet.snapshot(tag, { exclude, kind, maxBytes, here, shared, signal }),
      ),
    );
    messages.say(
      `${plural(made.files, 'file')} (${formatBytes(made.bytes)}) of the work directory${made.kind === 'image' ? ', with an image' : ''}`,
    );
    const table = () => `${made.tag}\n`;
    await printListing([toJson(made)], options, { fields, table, terminal });
  },
  list: async (names, options, { gomote, terminal }) => {
    if (names.length > 0) throw usage('list');
    const failures: GomoteError[] = [];
    const all = await gomote.snapshots({ onFailure: (error) => failures.push(error) });
    const table = () => formatColumns(all, columns, terminal);
    await printListing(all.map(toJson), options, { fields, table, terminal });

    throwAll(failures);
  },
  inspect: async ([tag, ...more], options, { gomote, terminal }) => {
    if (tag === undefined || more.length > 0) throw usage('inspect TAG');
    const one = await gomote.snapshot(tag);
    const known = Object.entries(toJson(one)).filter(([, value]) => value !== undefined);
    const table = () => known.map(([key, value]) => `${key}: ${value}\n`).join('');
    await printListing([toJson(one)], options, { fields, table, terminal });
  },
  prepare: async ([tag, ...more], _options, { gomote, signal }) => {
    if (tag === undefined || more.length > 0) throw usage('prepare TAG');
    await gomote.prepareSnapshot(tag, { signal });
  },
  share: async (tags, options, context) => await share(tags, true, options, context),
  unshare: async (tags, options, context) => await share(tags, false, options, context),
  remove: async (tags, options, { gomote, terminal }) => {
    if (tags.length === 0) throw usage('remove TAG...');
    await forEachNamed(
      tags,
      async (tag) => {
        await gomote.removeSnapshot(tag);
        if (options.json) await printJson(terminal, tag);
      },
      (counts) => `${counts} were not removed`,
    );
  },
};

async function share(
  tags: readonly string[],
  isShared: boolean,
  options: Options,
  { gomote, terminal }: Context,
): Promise<void> {
  if (tags.length === 0) throw usage(`${isShared ? 'share' : 'unshare'} TAG...`);
  await forEachNamed(
    tags,
    async (tag) => {
      const changed = await gomote.shareSnapshot(tag, isShared);
      if (options.json) await printJson(terminal, toJson(changed));
    },
    (counts) => `${counts} were not changed`,
  );
}

const usage = (words: string): GomoteError =>
  new GomoteError('ERR_USAGE', `snapshot was given the wrong names`, {
    hint: `gomote snapshot ${words}`,
  });

const fields = [
  ...['tag', 'kind', 'created', 'used', 'backend', 'buildlet', 'builderType', 'hostType'],
  ...['files', 'bytes', 'storedBytes', 'excluded', 'isAutomatic', 'owner', 'isShared', 'image'],
] as const;

const toJson = ({ used, ...snapshot }: Snapshot): Readonly<Record<string, unknown>> => {
  const all = { ...snapshot, used: used.toISOString() };
  return Object.fromEntries(fields.map((field) => [field, all[field]]));
};

const columns: Column<Snapshot>[] = [
  { title: 'SNAPSHOT', cell: ({ tag }) => tag },
  { title: 'KIND', cell: ({ kind }) => kind },
  { title: 'OF', cell: ({ backend, buildlet }) => `${backend}/${buildlet}` },
  { title: 'AGE', cell: ({ created }) => formatAge(new Date(created)), isForPeople: true },
  { title: 'SIZE', cell: ({ bytes }) => formatBytes(bytes) },
];
