// Sends a tree of this machine to a directory of one or more buildlets.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { GomoteError, isGomoteError } from '../../errors.ts';
import { pointsOutside } from '../../tar/entry-name.ts';
import type { FoundEntry } from '../../tree/tree-walk.ts';
import { pushToAll } from './push-loop.ts';
import type { PushOptions } from './push-options.ts';
import { PushSource } from './push-source.ts';
import { type PushSummary, PushTarget } from './push-target.ts';

/** How often a push starts again because files cannot be read. */
const maxRounds = 20;

/** Pushes the tree at `top`, a real path, to each buildlet. Returns one result for each, in order. */
export async function push(
  clients: readonly BuildletClient[],
  top: string,
  options: PushOptions,
): Promise<PromiseSettledResult<PushSummary>[]> {
  const unread = new UnreadFiles();
  const results = new Map<BuildletClient, PromiseSettledResult<PushSummary>>();
  let due = clients;
  for (let round = 1; due.length > 0; round++) {
    unread.begin();
    const now = await pushOnce(due, top, options, unread, round);
    due.forEach((client, index) => {
      const result = now[index];
      if (result !== undefined) results.set(client, result);
    });
    // Walk the tree again: a file may be readable by now, and an unreadable one must not stop the rest.
    const isStopped = unread.isEmpty || options.signal.aborted || round === maxRounds;
    due = isStopped ? [] : due.filter((client) => results.get(client)?.status === 'rejected');
  }
  return clients.flatMap((client) => results.get(client) ?? []);
}

async function pushOnce(
  clients: readonly BuildletClient[],
  top: string,
  options: PushOptions,
  unread: UnreadFiles,
  round: number,
): Promise<PromiseSettledResult<PushSummary>[]> {
  // With several buildlets, files are read once and sent to all: this side would not notice unreadable named files.
  const mayName = clients.length === 1 && round === 1;
  // The buildlets read their state while the tree is walked here.
  const targets = clients.map((client) => new PushTarget(client, options, mayName));
  const refuses = (entry: FoundEntry) => unread.given(entry.path) ?? whyRefused(options.dir, entry);
  const source = await PushSource.begin(top, { ...options, refuses, onUnread: unread.add });
  const results = await pushToAll(source, targets);
  source.save();
  if (options.dryRun !== true) {
    const pushed = targets.filter((_, index) => results[index]?.status === 'fulfilled');
    for (const target of pushed) await target.remember(source);
  }
  return targets.map((target, index): PromiseSettledResult<PushSummary> => {
    const result = results[index];
    if (result?.status === 'rejected') return result;
    return { status: 'fulfilled', value: target.summary(source) };
  });
}

/** Files that could not be read while they were sent. */
class UnreadFiles {
  /** Files that are skipped from now on, and why. */
  readonly #given = new Map<string, GomoteError>();
  readonly #seen = new Set<string>();
  #isNew = false;

  begin(): void {
    this.#isNew = false;
  }

  get isEmpty(): boolean {
    return !this.#isNew;
  }

  given(path: string): GomoteError | undefined {
    return this.#given.get(path);
  }

  /** A file that changed while it was read is retried once. */
  readonly add = (path: string, error: unknown): void => {
    if (!isGomoteError(error)) return;
    this.#isNew = true;
    if (error.code !== 'ERR_LOST' || this.#seen.has(path)) this.#given.set(path, error);
    this.#seen.add(path);
  };
}

/** Why the buildlet would not create a link of the tree in `dir`. */
function whyRefused(dir: string, entry: FoundEntry): GomoteError | undefined {
  if (!pointsOutside(dir === '.' ? '' : dir, entry)) return undefined;
  const { path, target } = entry;
  return new GomoteError(
    'ERR_PATH',
    `${path}: the link to ${target} leads out of the work directory`,
  );
}
