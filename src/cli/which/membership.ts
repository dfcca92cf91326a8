// Which groups the buildlets of a listing are in.
import { messageOf } from '../../errors.ts';
import type { Context } from '../context.ts';
import { Groups } from './groups.ts';
import { type Asked, isThere } from './names.ts';

/** The names of the groups, by member. */
export function groupsOfMembers({ backends }: Context): Map<string, string[]> {
  const result = new Map<string, string[]>();
  for (const { name, members } of new Groups(backends.configDir).all()) {
    for (const member of members) result.set(member, [...(result.get(member) ?? []), name]);
  }
  return result;
}

/** Removes from the groups those that are neither listed nor found by name. */
export async function dropGone(
  listed: readonly { readonly name: string }[],
  context: Context,
): Promise<void> {
  const known = new Set(listed.map(({ name }) => name));
  const missing = [...groupsOfMembers(context).keys()].filter((name) => !known.has(name));
  const asked: Asked = new Map();
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
