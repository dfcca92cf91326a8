// gomote group: manages groups of buildlets, as Go's gomote does.
import { Argument, type Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { printable } from '../../printable.ts';
import type { Context } from '../context.ts';
import { print, printJson } from '../terminal/terminal.ts';
import { verbOf } from '../values.ts';
import { type ActiveGroup, activeGroup } from '../which/choose.ts';
import { Groups } from '../which/groups.ts';
import { isThere } from '../which/names.ts';

type Verb = (names: readonly string[], groups: Groups, context: Context) => Promise<void>;

export function define(command: Command, context: Context): void {
  command
    .addArgument(
      new Argument('<verb>', 'what to do')
        .choices(Object.keys(verbs))
        .argParser((text) => verbOf(verbs, text, 'group')),
    )
    .argument(
      '[name...]',
      'the group to create or destroy; the buildlets to add to the group of --group or GOMOTE_GROUP, or to remove from it',
    )
    .option('--json', 'print the groups as they are then, as a JSON array')
    .action(async (verb: Verb, names: string[], { json }: { json?: boolean }) => {
      const groups = new Groups(context.backends.configDir);
      await verb(names, groups, context);
      const { terminal } = context;
      if (json) await printJson(terminal, groups.all(), 2);
      else if (verb === verbs.list) await printGroups(groups, context);
    });
}

const verbs: Readonly<Record<'create' | 'destroy' | 'add' | 'remove' | 'list', Verb>> = {
  create: async (names, groups) => groups.create(oneName('create', names)),
  destroy: async (names, groups, { terminal, messages }) => {
    const name = oneName('destroy', names);
    groups.destroy(name);
    if (terminal.environment.GOMOTE_GROUP === name) {
      messages.say('You may wish to now clear GOMOTE_GROUP.');
    }
  },
  add: async (names, groups, context) => {
    const { name } = await groupFor('add', names, context);
    for (const one of names) {
      if (await isThere(one, context)) continue;
      throw new GomoteError('ERR_UNKNOWN_BUILDLET', `there is no buildlet "${one}"`, {
        hint: 'see gomote list; nothing was added',
      });
    }
    groups.add(name, names);
  },
  remove: async (names, groups, context) => {
    groups.remove((await groupFor('remove', names, context)).name, names);
  },
  list: async (names) => {
    if (names.length > 0) throw usage('list', '');
  },
};

async function printGroups(groups: Groups, { terminal }: Context): Promise<void> {
  const rows = groups.all().flatMap(({ name, members }) => {
    const shown = members.length > 0 ? members : ['(none)'];
    return shown.map((member, i) => [i === 0 ? name : '', member]);
  });
  const lines = [['Name', 'Instances'], ...rows].map((row) =>
    row.map((cell) => `${printable(cell)}\t`).join(''),
  );
  const end = rows.length === 0 ? ['(none)'] : [];
  await print(terminal, [...lines, ...end].map((line) => `${line}\n`).join(''));
}

async function groupFor(
  verb: string,
  names: readonly string[],
  context: Context,
): Promise<ActiveGroup> {
  if (names.length === 0) throw usage(verb, ' NAME...');
  const group = await activeGroup(context);
  if (group !== undefined) return group;
  throw new GomoteError('ERR_USAGE', 'No active group found. Use -group or GOMOTE_GROUP.', {
    hint: 'gomote group create NAME makes one',
  });
}

function oneName(verb: string, names: readonly string[]): string {
  const [name] = names;
  if (name !== undefined && names.length === 1) return name;
  throw usage(verb, ' NAME');
}

const usage = (verb: string, rest: string): GomoteError =>
  new GomoteError('ERR_USAGE', `group ${verb} was given the wrong number of names`, {
    hint: `gomote group ${verb}${rest}`,
  });
