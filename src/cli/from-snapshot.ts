// What kind of buildlet begins with a snapshot, where the user does not say.
import type { Context } from './context.ts';

/**
 * The builder type of the buildlet that the snapshot is of, whose backend becomes the usual one unless the user has chosen one;
 * undefined without a snapshot, and when its type was not known.
 */
export async function typeOfSnapshot(
  tag: string | undefined,
  context: Context,
): Promise<string | undefined> {
  if (tag === undefined) return undefined;
  const { backend, builderType } = await context.gomote.snapshot(tag);
  context.chooseBackend(backend);
  return builderType || undefined;
}
