// Which buildlets a command applies to: those it names, a group, or the one chosen for this project. See
// docs/which-buildlet.md.
import { GomoteError, messageOf } from '../../errors.ts';
import { splitName } from '../../gomote/buildlet-name.ts';
import { printable } from '../../printable.ts';
import type { Context } from '../context.ts';
import { type AskedBackends, isThere, looksLikeName, namesInList, shortName } from './names.ts';

interface CommandBuildlets {
  readonly names: readonly string[];
  readonly rest: readonly string[];
}

/** The buildlets of a command that names none, and what to print about the choice on stderr. */
interface DefaultBuildlets {
  readonly names: readonly string[];
  readonly remark?: string | undefined;
  /** Why there are none. */
  readonly fault?: GomoteError;
}

/**
 * Takes the first argument as a buildlet, or a list of buildlets, if it is one. Otherwise the command applies to the default
 * buildlets. Undefined when there are none.
 *
 * @param most How many arguments may follow a buildlet. With more arguments than that, the first must be a buildlet.
 */
export async function chooseBuildlets(
  words: readonly string[],
  most: number,
  context: Context,
  say = (remark: string) => context.messages.say(remark),
): Promise<CommandBuildlets | undefined> {
  const [first, ...rest] = words;
  const named = first === undefined ? undefined : (namesInList(first) ?? [first]);
  if (named !== undefined) {
    const isMeant = words.length > most || (await isAny(named, looksLikeName, context));
    if (isMeant) return { names: named, rest };
  }
  const find = await defaultBuildlets(context);
  if (find === undefined) return named && { names: named, rest };
  if (named !== undefined && (await isAny(named, isThere, context))) return { names: named, rest };
  if (first !== undefined && (await wasGiven(first, context))) return { names: [first], rest };
  const { names, remark, fault } = await find();
  if (fault !== undefined) throw fault;
  if (names.length === 0) return named && { names: named, rest };
  if (remark !== undefined) say(remark);
  return { names, rest: words };
}

/** Whether `create --name` once gave this name to a buildlet of the project, which has ended since. */
async function wasGiven(word: string, { terminal }: Context): Promise<boolean> {
  const { readProject } = await import('./project.ts');
  return readProject(terminal.environment).given.includes(word);
}

async function isAny(
  names: readonly string[],
  test: (name: string, context: Context) => Promise<boolean>,
  context: Context,
): Promise<boolean> {
  for (const name of names) if (await test(name, context)) return true;
  return false;
}

/** How to find the default buildlets; undefined when there are none. */
async function defaultBuildlets(
  context: Context,
): Promise<(() => Promise<DefaultBuildlets>) | undefined> {
  const chosen = await chosenBuildlets(context);
  if (chosen !== undefined) return async () => chosen;
  const project = await import('./project.ts');
  const { environment } = context.terminal;
  const { buildlets } = project.readProject(environment);
  if (buildlets.length === 0) return undefined;
  return async () => {
    const there = await thoseThere(await withinReach(buildlets, context), context);
    const names = await Promise.all(there.map((name) => shortName(name, context)));
    const [only] = names;
    if (names.length > 1) {
      const hint = 'name one, or gomote use NAME';
      throw new GomoteError('ERR_USAGE', `which of ${names.join(', ')}?`, { hint });
    }
    const remark = `# Using ${printable(only ?? '')}, the only buildlet of this project`;
    return { names, remark: only === undefined ? undefined : remark };
  };
}

/** The user's choice: a group, GOMOTE_BUILDLET, or the buildlet of `gomote use`. */
export async function chosenBuildlets(context: Context): Promise<DefaultBuildlets | undefined> {
  const group = await activeGroup(context);
  if (group !== undefined) {
    const names = await thoseThere(group.members, context);
    if (names.length > 0) return { names, remark: group.remark };
    const gone = group.members.length > 0 ? 'is there any more' : 'is there';
    const message = `no buildlet of the group "${group.name}" ${gone}`;
    return { names, fault: new GomoteError('ERR_USAGE', message, { hint: 'name a buildlet' }) };
  }
  const { GOMOTE_BUILDLET } = context.terminal.environment;
  if (GOMOTE_BUILDLET) {
    const remark = `# Using ${printable(GOMOTE_BUILDLET)} from GOMOTE_BUILDLET`;
    return { names: namesInList(GOMOTE_BUILDLET) ?? [GOMOTE_BUILDLET], remark };
  }
  const project = await import('./project.ts');
  const { usedBuildlet } = await import('./used.ts');
  const record = project.readProject(context.terminal.environment);
  const used = usedBuildlet(record);
  if (used === undefined) return undefined;
  if ('fault' in used) {
    context.messages.remark(`${used.fault}; gomote use NAME chooses a buildlet`);
    return undefined;
  }
  const name = await shortName(used.name, context);
  return { names: [name], remark: `# Using ${printable(name)}, chosen by gomote use` };
}

export interface ActiveGroup {
  readonly name: string;
  readonly members: readonly string[];
  readonly remark?: string | undefined;
}

/** The group of --group, which must be there, or of GOMOTE_GROUP, which need not. Throws ERR_USAGE. */
export async function activeGroup(context: Context): Promise<ActiveGroup | undefined> {
  const { environment } = context.terminal;
  const name = context.group ?? environment.GOMOTE_GROUP;
  if (!name) return undefined;
  const { Groups } = await import('./groups.ts');
  const groups = new Groups(context.backends.configDir);
  if (environment.GOMOTE_GROUP !== name) return groups.get(name);
  const found = groups.find(name);
  return found && { ...found, remark: `# Using group ${JSON.stringify(name)} from GOMOTE_GROUP` };
}

/** Backends that know without a request whether a buildlet exists. */
const quickKinds: readonly string[] = ['local', 'docker', 'coordinator'];

const kindOf = async (name: string, { backends }: Context): Promise<string | undefined> =>
  (await backends.configOf(splitName(name).backend ?? (await backends.defaultName())))?.kind;

/** Drops buildlets of backends that are no longer in the configuration. */
async function withinReach(names: readonly string[], context: Context): Promise<string[]> {
  const kinds = await Promise.all(names.map((name) => kindOf(name, context)));
  return names.filter((_, i) => kinds[i] !== undefined);
}

/** Drops buildlets that have ended, where checking costs no request. */
async function thoseThere(names: readonly string[], context: Context): Promise<string[]> {
  const asked: AskedBackends = new Map();
  const there = await Promise.all(
    names.map(async (name) => {
      const kind = await kindOf(name, context);
      if (kind === undefined || !quickKinds.includes(kind)) return true;
      try {
        return await isThere(name, context, asked);
      } catch (error) {
        context.messages.detail(`gomote: ${name}: ${messageOf(error)}`);
        return true;
      }
    }),
  );
  return names.filter((_, i) => there[i]);
}
