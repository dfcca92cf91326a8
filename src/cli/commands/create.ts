// gomote create: asks the backend for buildlets and prints their names.
import type { Command } from 'commander';
import type { Backend, CreateCall, Instance } from '../../backends/backend.ts';
import {
  type BuilderType,
  type Catalogue,
  findBuilderType,
  type HostType,
  hostTypeOf,
} from '../../builders.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { listed, print } from '../terminal.ts';
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
      const backend = await context.backend();
      const make = async ({ builder, host }: Wanted) => {
        const user = await context.user();
        return await context.talk.during(`creating ${builder.name}`, (onProgress) =>
          createAll(backend, builder, options.count ?? 1, {
            user,
            host,
            signal: context.signal,
            onProgress,
          }),
        );
      };
      const instances = await withType(backend, type, context, make);
      const names = instances.map((instance) => instance.name);
      await print(context.terminal, listed(names, context.terminal));
    });
}

interface Wanted {
  readonly builder: BuilderType;
  readonly host: HostType;
}

/**
 * Calls `make` with the builder type of that name or beginning. A backend that knows its own types is asked for them
 * only when it does not know the name as it was given: a full name costs no extra request.
 */
async function withType<T>(
  backend: Backend,
  type: string | undefined,
  context: Context,
  make: (wanted: Wanted) => Promise<T>,
): Promise<T> {
  const { catalogue: own } = await context.config();
  if (backend.types === undefined) return await make(find(own, type));
  if (type !== undefined) {
    const configured = own.builders.find(({ name }) => name === type);
    const builder = configured ?? { name: type, hostType: '', env: [] };
    try {
      return await make({ builder, host: { name: builder.hostType } });
    } catch (error) {
      if (!isGomoteError(error, 'ERR_UNKNOWN_TYPE')) throw error;
    }
  }
  const theirs = await backend.types({ signal: context.signal });
  return await make(find(theirs ?? own, type));
}

function find(catalogue: Catalogue, type: string | undefined): Wanted {
  if (type !== undefined) {
    const builder = findBuilderType(catalogue, type);
    return { builder, host: hostTypeOf(catalogue, builder) };
  }
  const names = catalogue.builders.map((builder) => builder.name);
  throw new GomoteError('ERR_USAGE', 'create needs a builder type', {
    hint: `types are: ${names.join(', ')}`,
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
  const results = await Promise.allSettled(
    Array.from({ length: count }, async () => {
      // Each has one of its own: Node warns of a signal that so many listen to.
      const signal = AbortSignal.any([call.signal, failed.signal]);
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
  await Promise.allSettled(
    created.map(({ name }) => backend.destroy(name, { signal: new AbortController().signal })),
  );
  throw failed.signal.reason;
}
