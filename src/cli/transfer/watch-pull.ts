// gomote pull --watch: pulls again and again until it is stopped or the buildlet is gone. A buildlet does not tell what
// changes in it, so that it is asked.
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../errors.ts';
import type { Buildlet } from '../../gomote/buildlet.ts';
import { IncompleteError } from '../../gomote/incomplete.ts';
import type { PullSummary } from '../../sync/pull/pull-options.ts';
import type { Context } from '../context.ts';
import { isGone } from './watch-push.ts';

/** How long after a pull that brought something the next one begins, in ms. */
const shortestMs = 1_000;
/** Each pull that brings nothing doubles that, up to this. */
const longestMs = 8_000;

export interface WatchedPull {
  readonly top: string;
  readonly pull: () => Promise<PullSummary>;
  /** Says what came of a pull; throws when something was left as it is. `isKnown`: what was left has been told. */
  readonly report: (summary: PullSummary, seconds: number, isKnown: boolean) => Promise<void>;
}

/** Pulls once, and then now and then. Throws what the first pull fails with, and when the buildlet is gone. */
export async function pullAndWatch(
  buildlet: Buildlet,
  { top, pull, report }: WatchedPull,
  { signal, messages }: Context,
): Promise<never> {
  let said = '';
  let left = '';
  let isFirst = true;
  const round = async (): Promise<boolean> => {
    const startMs = performance.now();
    const summary = await pull();
    const before = left;
    left = leftOut(summary);
    const hasCome = summary.paths.length > 0;
    const isKnown = left === before && !isFirst;
    if (!hasCome && isKnown) return false;
    isFirst = false;
    try {
      await report(summary, (performance.now() - startMs) / 1000, isKnown);
    } catch (error) {
      // What could not be printed is no matter of the pull.
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

/** All that a pull did not bring, to compare with what the one before it did not. */
const leftOut = ({ kept, refused, ignored, others, failed }: PullSummary): string =>
  JSON.stringify([kept, refused, ignored, others, failed]);
