// Reports the result of a push.
import { GomoteError } from '../../errors.ts';
import { plural } from '../../plural.ts';
import { literalBytes, type TreeChange } from '../../protocol/tree-change.ts';
import type { TreeEntry } from '../../protocol/tree-entry.ts';
import { specialFileText } from '../../protocol/unread.ts';
import { largestPaths } from '../../sync/largest-paths.ts';
import type { LocalTree } from '../../sync/local/local-tree.ts';
import type { PushSummary } from '../../sync/push/push-target.ts';
import type { Context } from '../context.ts';
import { throwAll } from '../failures.ts';
import type { Passed } from '../terminal/progress.ts';
import { printJson, printLines } from '../terminal/terminal.ts';
import { formatBytes } from './format-bytes.ts';

interface ReportOptions {
  /** The target directory, relative to the work directory. */
  readonly dir: string;
  readonly dryRun?: boolean | undefined;
  readonly json?: boolean | undefined;
  /** Reports what was sent only with --verbose. */
  readonly areDetails?: boolean | undefined;
  /** Does not report a push that had nothing to send. */
  readonly onlyChanges?: boolean | undefined;
}

/** A push that sends more than this causes a warning, in bytes. */
const largeBytes = 200e6;
const namedPaths = 3;
const namedUnsent = 20;

/** Reports the push to one buildlet, then throws if something was not sent. */
export async function reportPush(
  name: string,
  value: PushSummary,
  seconds: number,
  options: ReportOptions,
  context: Context,
): Promise<void> {
  await reportPushes([name], [{ status: 'fulfilled', value }], seconds, options, context);
}

/** Reports each buildlet's push, then throws if any of them failed. */
export async function reportPushes(
  names: readonly string[],
  results: readonly PromiseSettledResult<PushSummary>[],
  seconds: number,
  options: ReportOptions,
  context: Context,
): Promise<void> {
  const failures: unknown[] = [];
  const unsent = new Map<string, GomoteError>();
  for (const [index, result] of results.entries()) {
    const name = names[index] ?? '';
    if (result.status === 'rejected') {
      failures.push(result.reason);
      continue;
    }
    for (const [path, error] of result.value.unsent) unsent.set(path, error);
    const place = `${name}:${options.dir}`;
    if (options.dryRun && !options.json)
      await printPlan(place, result.value, names.length > 1, context);
    else if (options.onlyChanges && result.value.changes.length === 0) continue;
    else if (options.json)
      await printJson(context.terminal, toJson(name, options.dir, result.value, seconds));
    else if (options.areDetails) context.messages.detail(inWords(name, place, result.value));
    else context.messages.say(inWords(name, place, result.value));
  }
  throwAll([...failures, ...unsentFailures(unsent, context)]);
}

/** Names the paths that cannot be sent, and throws. */
export function throwUnsent(unsent: ReadonlyMap<string, GomoteError>, context: Context): void {
  throwAll(unsentFailures(unsent, context));
}

/** Names the paths that were not sent, and returns the error. */
function unsentFailures(
  unsent: ReadonlyMap<string, GomoteError>,
  { messages }: Context,
): GomoteError[] {
  const [only] = unsent.values();
  if (only === undefined) return [];
  if (unsent.size === 1) {
    return [new GomoteError(only.code, `not sent: ${only.message}`, { hint: only.hint })];
  }
  const shown = [...unsent.values()].slice(0, namedUnsent);
  for (const { message } of shown) messages.say(`not sent: ${message}`);
  if (unsent.size > shown.length) messages.say(`not sent: ${unsent.size - shown.length} more`);
  return [
    new GomoteError(only.code, `${unsent.size} paths were not sent`, {
      hint: only.hint ?? 'everything else is there; --exclude leaves them out',
    }),
  ];
}

/** What a push calls: it counts what is sent, and names once what is not sent and what is large. */
export function pushProgress(passed: Passed, context: Context) {
  let isWarned = false;
  return {
    onTree: ({ others }: Pick<LocalTree, 'others'>): void => {
      if (isWarned) return;
      for (const path of others)
        context.messages.say(`not sent, as it is ${specialFileText}: ${path}`);
    },
    onSent: (bytes: number): void => {
      passed.bytes += bytes;
    },
    onPlan: (changes: readonly TreeChange[]): void => {
      passed.totalBytes = (passed.totalBytes ?? 0) + sizeOf(changes);
      isWarned ||= warnIfLarge(changes, context);
    },
  };
}

const sizeOf = (changes: readonly TreeChange[]): number =>
  changes.reduce((sum, change) => sum + literalBytes(change), 0);

/** Warns about a large push; returns whether it did. */
function warnIfLarge(changes: readonly TreeChange[], { messages }: Context): boolean {
  const sizeBytes = sizeOf(changes);
  if (sizeBytes <= largeBytes) return false;
  const paths = largestPaths(changes, namedPaths).map(
    ({ path, sizeBytes: size }) => `${path} (${formatBytes(size)})`,
  );
  messages.say(
    `warning: ${formatBytes(sizeBytes)} to send, most of it in ${paths.join(', ')}; --exclude leaves out`,
  );
  return true;
}

/** Programs read the rest of the line as the path. */
export function sendLine(
  { path, kind }: Pick<TreeEntry, 'path' | 'kind'>,
  sizeBytes: number,
  isShown: boolean,
): string {
  if (kind === 'directory') return `send ${path}/`;
  return `send ${path}${isShown && kind === 'file' ? ` (${formatBytes(sizeBytes)})` : ''}`;
}

async function printPlan(
  place: string,
  summary: PushSummary,
  isOneOfMany: boolean,
  { terminal, messages }: Context,
): Promise<void> {
  const isShown = terminal.stdout.isTTY === true;
  const lines = summary.changes.map((change) => {
    if (change.op === 'remove') return `remove ${change.path}`;
    if (change.op === 'mode') return `mode ${change.mode.toString(8)} ${change.path}`;
    if (change.op === 'time') return `time ${change.path}`;
    return sendLine(change.entry, literalBytes(change), isShown);
  });
  const title = isOneOfMany ? [`${place}:`] : [];
  await printLines(terminal, [...title, ...lines]);
  const { changes, files, bytes, removed } = summary;
  if (changes.length === 0) return messages.say(`${place}: nothing would change`);
  const parts = [];
  if (files > 0) parts.push(`send ${plural(files, 'file')} (${formatBytes(bytes)})`);
  if (removed > 0) parts.push(`remove ${removed}`);
  const others = otherChanges(summary);
  if (others > 0) parts.push(`make ${plural(others, 'other change')}`);
  messages.say(`${place}: would ${parts.join(', ')}`);
  if (files > 1) messages.say(`${place}: ${largestLine(changes)}`);
}

function inWords(name: string, place: string, summary: PushSummary): string {
  const { changes, files, bytes, removed, wireBytes, storedBytes } = summary;
  if (changes.length === 0) return `${name}: nothing has changed`;
  const parts = [`${plural(files, 'file')} to ${place} (${formatBytes(bytes)})`];
  if (removed > 0) parts.push(`${removed} removed`);
  const others = otherChanges(summary);
  if (others > 0) parts.push(plural(others, 'other change'));
  const stored = storedBytes > 0 ? `, ${formatBytes(storedBytes)} from the store` : '';
  return `${parts.join(', ')}; ${formatBytes(wireBytes)} on the wire${stored}`;
}

const otherChanges = ({ changes, files, removed }: PushSummary): number =>
  changes.length - files - removed;

const toJson = (
  name: string,
  dir: string,
  { files, bytes, removed, wireBytes, storedBytes, digest, unsent }: PushSummary,
  seconds: number,
) => ({
  name,
  dir,
  files,
  bytes,
  removed,
  wireBytes,
  storedBytes,
  seconds: Math.round(seconds * 1000) / 1000,
  digest,
  unsent: [...unsent.keys()],
});

export const largestCount = 5;

/** `largest: a (1.2 MB), b (3 kB)`; a directory with many files is one item. */
export const largestLine = (changes: readonly TreeChange[]): string =>
  `largest: ${largestPaths(changes, largestCount)
    .map(({ path, sizeBytes }) => `${path} (${formatBytes(sizeBytes)})`)
    .join(', ')}`;
