// The group that new buildlets are put into.
import type { Context } from '../context.ts';
import { activeGroup } from './choose.ts';
import { Groups } from './groups.ts';

/**
 * The group of `--new-group`, or the active one, or that of GOMOTE_GROUP. Returns a function that adds buildlets to it and
 * creates the group if needed. Throws ERR_CONFLICT and ERR_USAGE.
 */
export async function groupForNew(
  newGroup: string | undefined,
  context: Context,
): Promise<{ add(names: readonly string[]): void }> {
  const groups = new Groups(context.backends.configDir);
  const name = await chosenName(newGroup, groups, context);
  return {
    add: (names) => {
      // A name may have been used before.
      groups.prune(names);
      if (name === undefined) return;
      if (groups.find(name) === undefined) groups.create(name);
      groups.add(name, names);
    },
  };
}

async function chosenName(
  newGroup: string | undefined,
  groups: Groups,
  context: Context,
): Promise<string | undefined> {
  if (newGroup !== undefined) {
    groups.requireNew(newGroup);
    return newGroup;
  }
  const active = await activeGroup(context);
  if (active?.remark !== undefined) context.messages.say(active.remark);
  if (active !== undefined) return active.name;
  const { GOMOTE_GROUP } = context.terminal.environment;
  if (!GOMOTE_GROUP) return undefined;
  groups.requireNew(GOMOTE_GROUP);
  return GOMOTE_GROUP;
}
