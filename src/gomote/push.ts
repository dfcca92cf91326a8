// Pushes a local tree to buildlets, and records where it went.
import type { CallOptions } from '../client/client-options.ts';
import { cacheDirectory } from '../files/user-directories.ts';
import type { Compression } from '../protocol/transfer.ts';
import type { TreeChange } from '../protocol/tree-change.ts';
import { realDirectory } from '../sync/local/local-tree.ts';
import { push } from '../sync/push/push.ts';
import type { PushOptions } from '../sync/push/push-options.ts';
import type { PushSummary } from '../sync/push/push-target.ts';
import { inSpan } from '../tracing.ts';
import type { ConnectedBuildlet } from './connected-buildlet.ts';
import { throwUnsent } from './incomplete.ts';
import { type PushPlace, pushPlace } from './push-place.ts';
import { notePushed } from './run/pushed-directory.ts';

export type TreeOptions = Partial<
  Omit<PushOptions, 'dir' | 'signal' | 'environment' | 'cacheDirectory'>
>;

/** The options of `push`. */
export interface PushTreeOptions extends CallOptions {
  /** The destination, relative to the work directory. Default: the base name of the local directory. */
  readonly dest?: string | undefined;
  /** Also removes files that were never sent, such as build output. Default false. */
  readonly mirror?: boolean | undefined;
  /** Replaces a directory that was sent by a file, also when it contains build output. Default false. */
  readonly force?: boolean | undefined;
  /** Changes nothing; the summary shows what would be done. Default false. */
  readonly dryRun?: boolean | undefined;
  /** Patterns to exclude, as in a .gitignore at the top of the tree. */
  readonly exclude?: readonly string[] | undefined;
  /** Whether to send files that git, .gomoteignore and the rule for backup files exclude. Default false. */
  readonly noIgnore?: boolean | undefined;
  /** Default `auto`. */
  readonly compress?: Compression | 'auto' | undefined;
  /** Called with the planned changes. */
  readonly onPlan?: ((changes: readonly TreeChange[]) => void) | undefined;
  /** Called with the number of bytes of files as they are sent. */
  readonly onSent?: ((bytes: number) => void) | undefined;
}

/** Pushes to each buildlet, reading the tree once. Returns one result for each, in order. */
export async function pushToAll(
  buildlets: readonly ConnectedBuildlet[],
  { top, dir }: PushPlace,
  { isNoted = true, ...options }: TreeOptions & { signal: AbortSignal; isNoted?: boolean },
): Promise<PromiseSettledResult<PushSummary>[]> {
  const [first] = buildlets;
  if (first === undefined) return [];
  const { environment } = first.backends.settings;
  const attributes = { 'gomote.buildlet': buildlets.map(({ name }) => name).join(' ') };
  const results = await inSpan('push', { attributes }, () =>
    push(
      buildlets.map(({ client }) => client),
      realDirectory(top),
      { environment, cacheDirectory: cacheDirectory(environment), ...options, dir },
    ),
  );
  if (!isNoted || options.dryRun === true) return results;
  for (const [index, buildlet] of buildlets.entries()) {
    if (results[index]?.status === 'fulfilled')
      notePushed(buildlet.client, { top, dir }, environment);
  }
  return results;
}

/** Pushes to one buildlet. Its summary says what could not be sent. */
export async function pushToOne(
  buildlet: ConnectedBuildlet,
  place: PushPlace,
  options: Parameters<typeof pushToAll>[2],
): Promise<PushSummary> {
  const [result] = await pushToAll([buildlet], place, options);
  if (result?.status !== 'fulfilled') throw result?.reason;
  return result.value;
}

/** {@link pushToOne} to a directory as given. Throws also when something could not be sent. */
export async function pushTree(
  buildlet: ConnectedBuildlet,
  given: string | undefined,
  { dest, ...options }: PushTreeOptions & { signal: AbortSignal },
): Promise<{ dir: string; summary: PushSummary }> {
  const place = pushPlace(given, dest);
  const summary = await pushToOne(buildlet, place, options);
  throwUnsent(summary);
  return { dir: place.dir, summary };
}
