// Several buildlets at once.
import type { BuildletClient } from '../client/buildlet-client.ts';
import type { Context } from './context.ts';

/**
 * Runs `work` on all of the named buildlets that can be reached. One result for each, in their order; its failure is told
 * as `withBuildlet` tells it.
 */
export async function withBuildlets<T>(
  context: Context,
  names: readonly string[],
  work: (clients: readonly BuildletClient[]) => Promise<PromiseSettledResult<T>[]>,
): Promise<PromiseSettledResult<T>[]> {
  const opened = names.map(() => opening());
  const all = Promise.all(opened.map(({ promise }) => promise)).then(async (clients) => {
    const reached = clients.filter((client) => client !== undefined);
    const results = await work(reached);
    return clients.map((client) =>
      client === undefined ? undefined : results[reached.indexOf(client)],
    );
  });
  all.catch(() => undefined);
  return await Promise.allSettled(
    names.map(async (name, index) => {
      try {
        return await context.withBuildlet(name, async ({ client }) => {
          opened[index]?.resolve(client);
          const result = (await all)[index];
          if (result?.status !== 'fulfilled') throw result?.reason;
          return result.value;
        });
      } finally {
        opened[index]?.resolve(undefined);
      }
    }),
  );
}

/** A promise of a client, and what settles it. */
function opening(): {
  promise: Promise<BuildletClient | undefined>;
  resolve: (client: BuildletClient | undefined) => void;
} {
  let resolve: (client: BuildletClient | undefined) => void = () => undefined;
  const promise = new Promise<BuildletClient | undefined>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
