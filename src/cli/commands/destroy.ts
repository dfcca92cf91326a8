// gomote destroy: destroys buildlets and removes everything that belongs to them.
import type { Command } from 'commander';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { isAddress } from '../../gomote/buildlet-name.ts';
import { plural } from '../../plural.ts';
import { printable } from '../../printable.ts';
import { hasLabels } from '../../protocol/labels.ts';
import type { Context } from '../context.ts';
import { forEachNamed, throwAll } from '../failures.ts';
import { addWantedOf, type WantedLabel } from '../labels.ts';
import { print, printJson } from '../terminal/terminal.ts';
import { activeGroup, chosenBuildlets } from '../which/choose.ts';
import { Groups } from '../which/groups.ts';
import { namesInList } from '../which/names.ts';
import { forgetForProject } from '../which/project.ts';

interface Options {
  all?: boolean;
  yes?: boolean;
  ignoreMissing?: boolean;
  destroyGroup?: boolean;
  json?: boolean;
  label: readonly WantedLabel[];
}

export function define(command: Command, context: Context): void {
  command
    .argument('[name...]', 'buildlets')
    .option('--all', 'all your buildlets of the backend; prints their names')
    .option(
      '--label <key[=value]>',
      'all with this label, in any backend; can be repeated: with all of them; prints their names',
      addWantedOf('--label'),
      [],
    )
    .option('-y, --yes', 'with --all and --label: do not ask, as it does on a terminal')
    .option('--destroy-group', 'also the group of --group or GOMOTE_GROUP')
    .option('--ignore-missing', 'a buildlet that is not there is no error')
    .option('--json', 'print the names of those that were destroyed as a JSON array')
    .action(async (given: string[], options: Options) => {
      const isFound = options.all === true || options.label.length > 0;
      if (given.length > 0 && isFound) {
        const option = options.all ? '--all' : '--label';
        throw new GomoteError('ERR_USAGE', `give names or ${option}, not both`, { hint });
      }
      const group = options.destroyGroup ? await activeGroup(context) : undefined;
      if (options.destroyGroup && group === undefined) {
        throw new GomoteError('ERR_USAGE', 'there is no group to destroy', {
          hint: 'give --group NAME',
        });
      }
      const silent: GomoteError[] = [];
      const names = await namesFor(given, options, silent, context);
      if (isFound && !options.yes) await confirm(names, context);
      const destroyed: string[] = [];
      await forEachNamed(
        names,
        async (name) => {
          try {
            await destroyOne(name, context);
            destroyed.push(name);
          } catch (error) {
            const isMissing = isGomoteError(error, 'ERR_UNKNOWN_BUILDLET');
            if (isMissing) forget([name], context);
            if (!isMissing || !options.ignoreMissing) throw error;
          }
          if (isFound && !options.json) await print(context.terminal, `${printable(name)}\n`);
        },
        (counts) => `${counts} were not destroyed`,
      ).finally(async () => {
        const { terminal } = context;
        if (options.json) await printJson(terminal, destroyed);
      });
      if (group !== undefined) new Groups(context.backends.configDir).destroy(group.name);
      throwAll(silent);
    });
}

const hint = 'gomote destroy NAME..., --label KEY=VALUE or --all';

/** The buildlets that are named, all of them, or the chosen group or buildlet. Never one that the user has not chosen. */
async function namesFor(
  given: readonly string[],
  options: Options,
  silent: GomoteError[],
  context: Context,
): Promise<readonly string[]> {
  if (options.label.length > 0) return await labelledNames(options.label, silent, context);
  if (options.all) return await allNames(context, silent);
  if (given.length > 0) return given.flatMap((word) => namesInList(word) ?? [word]);
  const chosen = await chosenBuildlets(context);
  if (chosen === undefined) throw new GomoteError('ERR_USAGE', 'destroy needs a name', { hint });
  if (chosen.fault !== undefined) {
    // The buildlets of an empty group can still be destroyed: there are none.
    if (options.destroyGroup) return [];
    throw chosen.fault;
  }
  context.messages.say([
    ...(chosen.remark === undefined ? [] : [chosen.remark]),
    ...chosen.names.map((name) => `# Destroying ${printable(name)}`),
  ]);
  return chosen.names;
}

function forget(names: readonly string[], { backends, terminal }: Context): void {
  new Groups(backends.configDir).prune(names);
  forgetForProject(names, terminal.environment);
}

async function labelledNames(
  wanted: readonly WantedLabel[],
  silent: GomoteError[],
  context: Context,
): Promise<string[]> {
  const all = await context.gomote.list({ onFailure: (error) => silent.push(error) });
  return all.filter(({ labels }) => hasLabels(labels, wanted)).map(({ name }) => name);
}

async function allNames(context: Context, silent: GomoteError[]): Promise<string[]> {
  const backend = await context.backends.open();
  const instances = await backend.list({
    signal: context.signal,
    onFailure: (error) => silent.push(error),
  });
  return await Promise.all(
    instances.map(({ name }) => context.backends.fullName(backend.name, name)),
  );
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
  if (isAddress(name)) return await context.gomote.destroy(name);
  const { signal } = context;
  await context.gomote.withInstance(name, async (backend, instance) => {
    await backend.destroy(instance, { signal });
    const full = await context.backends.fullName(backend.name, instance);
    forget([name, full, `${backend.name}/${instance}`], context);
  });
}
