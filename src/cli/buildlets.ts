// Runs work on several buildlets at once.
import type { Buildlet } from '../gomote/buildlet.ts';
import type { Context } from './context.ts';

/**
 * Runs `work` on all of the named buildlets that can be reached. Returns one result for each name, in order; failures are
 * reported as by `withBuildlet`.
 */
export async function withBuildlets<T>(
  context: Context,
  names: readonly string[],
  work: (buildlets: readonly Buildlet[]) => Promise<PromiseSettledResult<T>[]>,
): Promise<PromiseSettledResult<T>[]> {
  const openings = names.map(() => new Opening());
  const worked = Promise.all(openings.map(({ done }) => done)).then(async (opened) => {
    const reached = opened.filter((buildlet) => buildlet !== undefined);
    const results = await work(reached);
    return new Map(reached.map((buildlet, index) => [buildlet, results[index]]));
  });
  worked.catch(() => undefined);
  return await Promise.allSettled(
    openings.map(async (opening, index) => {
      try {
        return await context.withBuildlet(names[index] ?? '', async (buildlet) => {
          opening.settle(buildlet);
          const result = (await worked).get(buildlet);
          if (result?.status !== 'fulfilled') throw result?.reason;
          return result.value;
        });
      } finally {
        opening.settle(undefined);
      }
    }),
  );
}

/** A buildlet after the attempt to reach it. */
class Opening {
  settle: (buildlet: Buildlet | undefined) => void = () => undefined;
  readonly done = new Promise<Buildlet | undefined>((resolve) => {
    this.settle = resolve;
  });
}
