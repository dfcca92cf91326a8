// gomote pull --watch: pulls repeatedly until it is stopped or the buildlet is gone. Buildlets do not report changes,
// so they are polled.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import type { Buildlet } from '../../gomote/buildlet.ts';
import { IncompleteError } from '../../gomote/incomplete.ts';
import type { PullSummary } from '../../sync/pull/pull-options.ts';
import type { Context } from '../context.ts';
import { isGone } from './watch-push.ts';

const shortestMs = 1_000;
/** Each pull that transfers nothing doubles the delay, up to this, in ms. */
const longestMs = 8_000;

interface WatchedPull {
  readonly top: string;
  readonly pull: () => Promise<PullSummary>;
  /** Reports a pull; throws when a path was left unchanged. `isKnown`: those paths have been reported before. */
  readonly report: (summary: PullSummary, seconds: number, isKnown: boolean) => Promise<void>;
}

/** Pulls once, then at intervals. Throws the error of the first pull, and when the buildlet is gone. */
export async function pullAndWatch(
  buildlet: Buildlet,
  { top, pull, report }: WatchedPull,
  { signal, messages }: Context,
): Promise<never> {
  let said = '';
  let left = '';
  let isFirst = true;
  const round = async (): Promise<boolean> => {
    const startedAtMs = performance.now();
    const summary = await pull();
    const before = left;
    left = leftOut(summary);
    const hasCome = summary.paths.length > 0;
    const isKnown = left === before && !isFirst;
    if (!hasCome && isKnown) return false;
    isFirst = false;
    try {
      await report(summary, (performance.now() - startedAtMs) / 1000, isKnown);
    } catch (error) {
      // A failure to print is not a failure of the pull.
      if (!(error instanceof IncompleteError)) throw error;
      messages.say(messageOf(error));
    }
    return hasCome;
  };
  await round();
  messages.say(`watching ${buildlet.name} for ${top}; Ctrl-C ends it`);
  for (let delayMs = shortestMs; ; delayMs = Math.min(2 * delayMs, longestMs)) {
    await sleep(delayMs, undefined, { signal });
    try {
      if (await round()) delayMs = shortestMs / 2;
      said = '';
    } catch (error) {
      signal.throwIfAborted();
      const why = await buildlet.explain(error);
      if (isGone(why)) throw why;
      if (messageOf(why) !== said) messages.say(messageOf(why));
      said = messageOf(why);
    }
  }
}

/** The paths that a pull did not transfer, to compare with the previous pull. */
const leftOut = ({ kept, refused, ignored, others, failed }: PullSummary): string =>
  JSON.stringify([kept, refused, ignored, others, failed]);
