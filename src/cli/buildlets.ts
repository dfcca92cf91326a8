// Runs work on several buildlets at once.
import type { Buildlet } from '../gomote/buildlet.ts';
import type { Context } from './context.ts';

/** Runs `work` on those of the named buildlets that can be reached. Returns one result for each name, in order. */
export async function withBuildlets<T>(
  { gomote }: Context,
  names: readonly string[],
  work: (buildlets: readonly Buildlet[]) => Promise<PromiseSettledResult<T>[]>,
): Promise<PromiseSettledResult<T>[]> {
  const opened = await Promise.allSettled(names.map((name) => gomote.get(name)));
  const reached = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  try {
    const results = await work(reached).catch((reason: unknown) =>
      reached.map(() => ({ status: 'rejected', reason }) as const),
    );
    return await Promise.all(
      opened.map(async (one) => {
        if (one.status === 'rejected') return one;
        const result = results[reached.indexOf(one.value)];
        if (result?.status === 'fulfilled') return result;
        return { status: 'rejected', reason: await one.value.explain(result?.reason) };
      }),
    );
  } finally {
    await Promise.all(reached.map((buildlet) => buildlet.disconnect()));
  }
}
