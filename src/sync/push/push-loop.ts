// Plans and sends one round of a push to its buildlets, and repeats it where another push interfered.
import { setTimeout as sleep } from 'node:timers/promises';
import { isGomoteError, StatusError } from '../../errors.ts';
import { encodeChanges, type TreeChange } from '../../protocol/tree-change.ts';
import { broadcast } from './broadcast.ts';
import type { PushSource } from './push-source.ts';
import type { PushTarget } from './push-target.ts';
import { isStored } from './stored-contents.ts';

/** How often a push restarts because the buildlet finds different files under the given names. */
const maxTries = 3;
/** How often a push restarts because another one interfered: each time, that one has finished. */
const maxTurns = 200;
/** The maximum random delay between simultaneous pushes, in ms. */
const apartMs = 100;

/** Pushes to all buildlets. Returns one result for each, in order. */
export async function pushToAll(
  source: PushSource,
  targets: readonly PushTarget[],
): Promise<PromiseSettledResult<void>[]> {
  const [first, ...others] = targets;
  if (first !== undefined && others.length === 0 && (await isNew(source, first))) {
    return await Promise.allSettled([repeat(source, first, sendNew(source, first))]);
  }
  await source.findAll();
  const plans = targets.map((target) => target.plan(source));
  const planned = await Promise.allSettled(plans);
  const due = targets.filter(({ isDue }, index) => planned[index]?.status === 'fulfilled' && isDue);
  const groups = source.options.dryRun ? [] : groupsOf(due);
  const sent = new Map(groups.flatMap((group) => sendGroup(source, group)));
  return await Promise.allSettled(
    targets.map(async (target, index) => {
      await plans[index];
      await sent.get(target);
    }),
  );
}

/** Whether the remote tree is empty; walks the local tree until that is known. */
async function isNew({ walk, options }: PushSource, target: PushTarget): Promise<boolean> {
  if (options.dryRun || options.adjust !== undefined) return false;
  while (!target.isOpen && !walk.isOver) await walk.walk();
  // The same error makes the plan fail.
  return await target.isNew().catch(() => false);
}

/** Sends the tree while it is walked. */
async function sendNew(source: PushSource, target: PushTarget): Promise<void> {
  const all: TreeChange[] = [];
  await target.send(source, source.stream(source.found(all), target.streamOptions));
  target.changes = all;
}

/** Buildlets that get the same stream share one reading of the files. */
function groupsOf(targets: readonly PushTarget[]): PushTarget[][] {
  if (targets.length === 1) return [[...targets]];
  const groups = new Map<string | PushTarget, PushTarget[]>();
  for (const target of targets) {
    const key = target.takesStream ? keyOf(target) : target;
    groups.set(key, [...(groups.get(key) ?? []), target]);
  }
  return [...groups.values()];
}

/** The same for those whose streams are the same. */
const keyOf = ({ changes, streamOptions }: PushTarget): string =>
  [
    encodeChanges(changes),
    streamOptions.areHeadsKnown,
    ...changes.map((change) => (isStored(change) ? 1 : 0)),
  ].join('\0');

function sendGroup(source: PushSource, group: PushTarget[]): [PushTarget, Promise<void>][] {
  const [first] = group;
  const stream = source.stream([first?.changes ?? []], first?.streamOptions);
  const outputs = group.length > 1 ? broadcast(stream.pieces(), group.length) : [];
  return group.map((target, index) => {
    const output = outputs[index];
    const own = output === undefined ? stream : { ...stream, pieces: () => output };
    const sent = target.send(source, own).finally(() => output?.release());
    return [target, repeat(source, target, sent)];
  });
}

/** Plans and sends again, until it succeeds or fails permanently. */
async function repeat(source: PushSource, target: PushTarget, sent: Promise<void>): Promise<void> {
  for (let sending = sent, tries = 1; ; tries++) {
    try {
      return await sending;
    } catch (error) {
      const isBetween = await prepareAgain(source, target, error, tries);
      await source.findAll();
      await target.plan(source);
      // What failed is sent even if no entry is left: the directory itself may be what is missing.
      if (isBetween && !target.isDue) return;
    }
    sending = target.send(source, source.stream([target.changes], target.streamOptions));
  }
}

/**
 * Opens the target again: another push came between, or what the stream left out is not there. Throws any other error.
 * Returns whether another push came between.
 */
async function prepareAgain(
  { options }: PushSource,
  target: PushTarget,
  error: unknown,
  tries: number,
): Promise<boolean> {
  const status = error instanceof StatusError ? error.status : undefined;
  const isBetween = status === 409;
  // What fails when a file is copied there is found out here when it is sent; what a store has lost is sent.
  const isUnread = isGomoteError(error, 'ERR_LOST') || (status !== undefined && !isBetween);
  const isRefused = isUnread && target.leavesOut;
  if (!(isRefused || isBetween) || tries >= (isBetween ? maxTurns : maxTries)) throw error;
  if (isRefused) target.sendAll();
  // Two pushes that collided must not collide again.
  else await sleep(Math.random() * apartMs, undefined, { signal: options.signal });
  target.reopen();
  return isBetween;
}
