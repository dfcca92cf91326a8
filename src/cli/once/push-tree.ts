// Pushes the tree, as `gomote push` does.
import type { Buildlet } from '../../gomote/buildlet.ts';
import { pushToAll } from '../../gomote/push.ts';
import type { Context } from '../context.ts';
import type { Passed } from '../terminal/progress.ts';
import { pushProgress, reportPush } from '../transfer/push-report.ts';
import type { PushedTree } from './spec.ts';

/**
 * Pushes the tree. Throws when the push failed. Returns an error for files that could not be sent, to be reported at the end,
 * because the rest has been sent.
 *
 * @param isNoted Whether to record the push for later commands. Not needed for a buildlet that is destroyed.
 */
export async function pushTree(
  buildlet: Buildlet,
  { top, dir, exclude, noIgnore }: PushedTree,
  isNoted: boolean,
  context: Context,
): Promise<unknown> {
  const { signal, messages } = context;
  const startMs = performance.now();
  const passed: Passed = { bytes: 0 };
  const [result] = await messages.showing(passed, () =>
    pushToAll(
      [buildlet],
      { top, dir },
      {
        ...{ signal, exclude, noIgnore, isNoted },
        ...pushProgress(passed, context),
      },
    ),
  );
  if (result === undefined) return undefined;
  if (result.status === 'rejected') throw result.reason;
  const seconds = (performance.now() - startMs) / 1_000;
  try {
    await reportPush([buildlet.name], [result], seconds, { dir, areDetails: true }, context);
    return undefined;
  } catch (error) {
    return error;
  }
}
