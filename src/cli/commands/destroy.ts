// gomote destroy: ends buildlets and removes all that belongs to them.
import type { Command } from 'commander';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { isAddress, splitName } from '../../gomote/buildlet-name.ts';
import { printable } from '../../printable.ts';
import type { Context } from '../context.ts';
import { forEachNamed } from '../for-each-named.ts';
import { plural } from '../plural.ts';
import { throwSilent } from '../silent-parts.ts';
import { listedJson, print } from '../terminal/terminal.ts';
import { activeGroup, chosenBuildlets } from '../which/choose.ts';
import { Groups } from '../which/groups.ts';
import { namesInList } from '../which/names.ts';

interface Options {
  all?: boolean;
  yes?: boolean;
  ignoreMissing?: boolean;
  destroyGroup?: boolean;
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('[name...]', 'buildlets')
    .option('--all', 'all your buildlets of the backend; prints their names')
    .option('-y, --yes', 'with --all: do not ask, as it does on a terminal')
    .option('--destroy-group', 'also the group of --group or GOMOTE_GROUP')
    .option('--ignore-missing', 'a buildlet that is not there is no error')
    .option('--json', 'print the names of those that were destroyed as a JSON array')
    .action(async (given: string[], options: Options) => {
      if (given.length > 0 && options.all) {
        throw new GomoteError('ERR_USAGE', 'give names or --all, not both', { hint });
      }
      const group = options.destroyGroup ? await activeGroup(context) : undefined;
      if (options.destroyGroup && group === undefined) {
        throw new GomoteError('ERR_USAGE', 'there is no group to destroy', {
          hint: 'give --group NAME',
        });
      }
      const silent: GomoteError[] = [];
      const names = await namesFor(given, options, silent, context);
      if (options.all && !options.yes) await confirm(names, context);
      const destroyed: string[] = [];
      await forEachNamed(
        names,
        async (name) => {
          try {
            await destroyOne(name, context);
            destroyed.push(name);
          } catch (error) {
            const isMissing = isGomoteError(error, 'ERR_UNKNOWN_BUILDLET');
            if (isMissing) await forget(name, context);
            if (!isMissing || !options.ignoreMissing) throw error;
          }
          if (options.all && !options.json) await print(context.terminal, `${printable(name)}\n`);
        },
        (counts) => `${counts} were not destroyed`,
      ).finally(async () => {
        const { terminal } = context;
        if (options.json) await print(terminal, listedJson(destroyed, terminal));
      });
      if (group !== undefined) new Groups(context.configDir).destroy(group.name);
      throwSilent(silent);
    });
}

const hint = 'gomote destroy NAME... or --all';

/** Those that are given, all, or those of the group or the one that the user has chosen: never one that nobody has. */
async function namesFor(
  given: readonly string[],
  options: Options,
  silent: GomoteError[],
  context: Context,
): Promise<readonly string[]> {
  if (options.all) return await allNames(context, silent);
  if (given.length > 0) return given.flatMap((word) => namesInList(word) ?? [word]);
  const chosen = await chosenBuildlets(context);
  if (chosen === undefined) throw new GomoteError('ERR_USAGE', 'destroy needs a name', { hint });
  if (chosen.fault !== undefined) {
    // A group that nobody is in can still be destroyed.
    if (options.destroyGroup) return [];
    throw chosen.fault;
  }
  context.messages.say([
    ...(chosen.remark === undefined ? [] : [chosen.remark]),
    ...chosen.names.map((name) => `# Destroying ${printable(name)}`),
  ]);
  return chosen.names;
}

/** Takes it out of all groups. */
async function forget(name: string, context: Context): Promise<void> {
  const { backend, instance } = splitName(name);
  const full = await context.fullName(backend ?? (await context.backendName()), instance);
  new Groups(context.configDir).prune([name, full]);
}

async function allNames(context: Context, silent: GomoteError[]): Promise<string[]> {
  const backend = await context.backend();
  const instances = await backend.list({
    signal: context.signal,
    onFailure: (error) => silent.push(error),
  });
  return await Promise.all(instances.map(({ name }) => context.fullName(backend.name, name)));
}

/** Asks at the terminal; without a terminal, the answer is no. */
async function confirm(names: readonly string[], context: Context): Promise<void> {
  const { terminal, signal } = context;
  if (terminal.input !== 'terminal' || names.length === 0) return;
  const { askYes } = await import('../terminal/secret-prompt.ts');
  const list = names.map((name) => `  ${printable(name)}\n`).join('');
  const question = `${list}Destroy ${plural(names.length, 'buildlet')}? [y/N] `;
  if (await askYes(terminal, question, signal)) return;
  throw new GomoteError('ERR_ABORTED', 'nothing was destroyed', {
    hint: 'answer y, or give --yes',
  });
}

async function destroyOne(name: string, context: Context): Promise<void> {
  await context.gomote.destroy(name);
  if (!isAddress(name)) await forget(name, context);
}
