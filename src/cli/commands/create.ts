// gomote create: asks the backend for buildlets and prints their names.
import type { Command } from 'commander';
import type { Backend, CreateCall, Instance } from '../../backends/backend.ts';
import { type BuilderType, findBuilderType, hostTypeOf } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { print } from '../terminal.ts';
import { parseCount } from '../values.ts';

interface Options {
  count?: number;
}

/** The most buildlets one command makes. */
const countLimit = 100;

export function define(command: Command, context: Context): void {
  command
    .argument('[type]', 'builder type, or the beginning of one; without it the types are listed')
    .option('--count <n>', 'how many to create: all or none', (text) =>
      parseCount('--count', text, countLimit),
    )
    .action(async (type: string | undefined, options: Options) => {
      const { catalogue } = await context.config();
      if (type === undefined) {
        const names = catalogue.builders.map((builder) => builder.name);
        throw new GomoteError('ERR_USAGE', 'create needs a builder type', {
          hint: `types are: ${names.join(', ')}`,
        });
      }
      const builder = findBuilderType(catalogue, type);
      const backend = await context.backend();
      const user = await context.user();
      const instances = await context.talk.during(`creating ${builder.name}`, () =>
        createAll(backend, builder, options.count ?? 1, {
          user,
          host: hostTypeOf(catalogue, builder),
          signal: context.signal,
        }),
      );
      await print(context.terminal, instances.map((instance) => `${instance.name}\n`).join(''));
    });
}

/** Creates all at once; when one fails, none is left. */
async function createAll(
  backend: Backend,
  builder: BuilderType,
  count: number,
  call: CreateCall,
): Promise<Instance[]> {
  const created: Instance[] = [];
  const failed = new AbortController();
  const signal = AbortSignal.any([call.signal, failed.signal]);
  const results = await Promise.allSettled(
    Array.from({ length: count }, async () => {
      try {
        created.push(await backend.create(builder, { ...call, signal }));
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  if (results.every((result) => result.status === 'fulfilled')) {
    return created.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  }
  const cleanUp = { signal: new AbortController().signal };
  await Promise.allSettled(created.map((instance) => backend.destroy(instance.name, cleanUp)));
  throw failed.signal.reason;
}
