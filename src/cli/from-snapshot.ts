// The default type of a buildlet that starts from a snapshot.
import type { Context } from './context.ts';

/**
 * Returns the builder type of the original buildlet, and makes its backend the default unless the user has chosen one;
 * undefined without a snapshot, and when the type is unknown.
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
