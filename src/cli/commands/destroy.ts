// gomote destroy: ends buildlets and removes all that belongs to them.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { doAll } from '../all.ts';
import type { Context } from '../context.ts';

interface Options {
  all?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('[name...]', 'buildlets')
    .option('--all', 'all buildlets of the backend')
    .action(async (given: string[], options: Options) => {
      if (given.length > 0 === (options.all === true)) {
        const message = options.all ? 'give names or --all, not both' : 'destroy needs a name';
        throw new GomoteError('ERR_USAGE', message, { hint: 'gomote destroy NAME... or --all' });
      }
      await doAll(
        options.all ? await allNames(context) : given,
        (name) => destroyOne(name, context),
        (counts) => `${counts} were not destroyed`,
      );
    });
}

async function allNames(context: Context): Promise<string[]> {
  const backend = await context.backend();
  return (await backend.list({ signal: context.signal })).map((instance) => instance.name);
}

async function destroyOne(name: string, context: Context): Promise<void> {
  if (name.includes('@')) {
    return await context.withBuildlet(name, ({ client }) =>
      client.halt({ signal: context.signal }),
    );
  }
  const { backend, instance } = await context.locate(name);
  await backend.destroy(instance, { signal: context.signal });
}
