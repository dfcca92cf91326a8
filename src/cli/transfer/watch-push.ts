// gomote push --watch: pushes after every change, until it is stopped or no buildlet is left.
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
  /** Reports a push; throws when some of it failed. */
  readonly report: (
    names: readonly string[],
    results: Results,
    startedAtMs: number,
    onlyChanges: boolean,
  ) => Promise<void>;
}

/** After this time without changes, the buildlets are checked, in ms. */
const idleMs = 2_000;
/** The delay before a failed push is retried without a change, in ms. */
const retryMs = 1_000;

const goneCodes = ['ERR_UNKNOWN_BUILDLET', 'ERR_BUILDLET_DIED'] as const;

/** Pushes once, then after every change. Throws the error of the first push, and when no buildlet is left. */
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
    const startedAtMs = performance.now();
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
      await report(names, some, startedAtMs, !isFirst);
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

export const isGone = (error: unknown): boolean =>
  goneCodes.some((code) => isGomoteError(error, code));

/** The buildlets that still exist, according to these results. Throws when none is left. */
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
