// gomote destroy: ends buildlets and removes all that belongs to them.
import type { Command } from 'commander';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { isAddress } from '../../gomote/buildlet-name.ts';
import { printable } from '../../printable.ts';
import type { Context } from '../context.ts';
import { forEachNamed } from '../for-each-named.ts';
import { plural } from '../plural.ts';
import { throwSilent } from '../silent-parts.ts';
import { print } from '../terminal/terminal.ts';

interface Options {
  all?: boolean;
  yes?: boolean;
  ignoreMissing?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('[name...]', 'buildlets')
    .option('--all', 'all your buildlets of the backend; prints their names')
    .option('-y, --yes', 'with --all: do not ask, as it does on a terminal')
    .option('--ignore-missing', 'a buildlet that is not there is no error')
    .action(async (given: string[], options: Options) => {
      if (given.length > 0 === (options.all === true)) {
        const message = options.all ? 'give names or --all, not both' : 'destroy needs a name';
        throw new GomoteError('ERR_USAGE', message, { hint: 'gomote destroy NAME... or --all' });
      }
      const silent: GomoteError[] = [];
      const names = options.all ? await allNames(context, silent) : given;
      if (options.all && !options.yes) await confirm(names, context);
      await forEachNamed(
        names,
        async (name) => {
          await destroyOne(name, context).catch((error: unknown) => {
            const isMissing = isGomoteError(error, 'ERR_UNKNOWN_BUILDLET');
            if (!isMissing || !options.ignoreMissing) throw error;
          });
          if (options.all) await print(context.terminal, `${printable(name)}\n`);
        },
        (counts) => `${counts} were not destroyed`,
      );
      throwSilent(silent);
    });
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
  const { signal } = context;
  if (isAddress(name))
    return await context.withBuildlet(name, ({ client }) => client.halt({ signal }));
  await context.withInstance(name, (backend, instance) => backend.destroy(instance, { signal }));
}
