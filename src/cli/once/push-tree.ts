// Pushes the tree, as `gomote push` does.
import type { Buildlet } from '../../gomote/buildlet.ts';
import { pushToOne } from '../../gomote/push.ts';
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
  const startedAtMs = performance.now();
  const passed: Passed = { bytes: 0 };
  const options = { signal, exclude, noIgnore, isNoted, ...pushProgress(passed, context) };
  const summary = await messages.showing(passed, () => pushToOne(buildlet, { top, dir }, options));
  const seconds = (performance.now() - startedAtMs) / 1_000;
  try {
    await reportPush(buildlet.name, summary, seconds, { dir, areDetails: true }, context);
    return undefined;
  } catch (error) {
    return error;
  }
}
