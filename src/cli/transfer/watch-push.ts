// gomote push --watch: pushes again whenever something changes, until it is stopped or no buildlet is left.
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import type { Buildlet } from '../../gomote/buildlet.ts';
import type { PushSummary } from '../../sync/push/push-target.ts';
import type { TreeWatch } from '../../sync/push/watch.ts';
import type { Context } from '../context.ts';

type Results = PromiseSettledResult<PushSummary>[];

export interface WatchedPush {
  readonly top: string;
  readonly watch: TreeWatch;
  readonly push: (buildlets: readonly Buildlet[]) => Promise<Results>;
  /** Says what came of a push; throws when some of it failed. */
  readonly report: (
    names: readonly string[],
    results: Results,
    sinceMs: number,
    onlyChanges: boolean,
  ) => Promise<void>;
}

/** How long nothing may change before we look whether the buildlets are still there, in ms. */
const idleMs = 2_000;
/** How long after a failed push to retry although nothing has changed, in ms. */
const retryMs = 1_000;

/** What says that a buildlet will not come back. */
const goneCodes = ['ERR_UNKNOWN_BUILDLET', 'ERR_BUILDLET_DIED'] as const;

/** Pushes once, and then after every change. Throws what the first push fails with, and when no buildlet is left. */
export async function pushAndWatch(
  buildlets: readonly Buildlet[],
  { top, watch, push, report }: WatchedPush,
  context: Context,
): Promise<never> {
  const { signal, messages } = context;
  let left = buildlets;
  let said = '';
  let isSent = false;
  const round = async (): Promise<boolean> => {
    const sinceMs = performance.now();
    try {
      const results = await push(left);
      const [failed] = results.flatMap((one) => (one.status === 'rejected' ? [one] : []));
      if (!isSent && results.every(({ status }) => status === 'rejected')) throw failed?.reason;
      const isFirst = !isSent;
      isSent = true;
      const here = left;
      left = await withoutLost(here, results, context);
      const isLeft = here.map((buildlet) => left.includes(buildlet));
      const names = left.map(({ name }) => name);
      const some = results.filter((_, index) => isLeft[index]);
      await report(names, some, sinceMs, !isFirst);
      said = '';
      return true;
    } catch (error) {
      if (!isSent || signal.aborted || isGone(error)) throw error;
      if (messageOf(error) !== said) messages.say(messageOf(error));
      said = messageOf(error);
      return false;
    }
  };
  let isDone = await round();
  messages.say(`watching ${top}; Ctrl-C ends it`);
  for (;;) {
    const isChanged = await watch.changed(signal, isDone ? idleMs : retryMs);
    if (isChanged || !isDone) isDone = await round();
    else left = await withoutLost(left, await probes(left, context), context);
  }
}

const probes = (buildlets: readonly Buildlet[], { signal }: Context) =>
  Promise.allSettled(buildlets.map(({ client }) => client.probe({ signal })));

/** Whether the failure says that a buildlet will not come back. */
export const isGone = (error: unknown): boolean =>
  goneCodes.some((code) => isGomoteError(error, code));

/** The buildlets that are still there, as far as these results tell. Throws when none is. */
async function withoutLost(
  buildlets: readonly Buildlet[],
  results: readonly PromiseSettledResult<unknown>[],
  context: Context,
): Promise<readonly Buildlet[]> {
  context.signal.throwIfAborted();
  const left: Buildlet[] = [];
  const gone: GomoteError[] = [];
  for (const [index, buildlet] of buildlets.entries()) {
    const result = results[index];
    const why = result?.status === 'rejected' ? await buildlet.explain(result.reason) : undefined;
    if (!isGone(why)) left.push(buildlet);
    else
      gone.push(
        new GomoteError('ERR_UNKNOWN_BUILDLET', `${buildlet.name} is gone`, { cause: why }),
      );
  }
  const [first] = gone;
  if (first !== undefined && left.length === 0) throw first;
  for (const { message } of gone) context.messages.say(message);
  return left;
}
