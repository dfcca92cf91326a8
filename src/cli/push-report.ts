// What a push says of itself.
import { GomoteError, isGomoteError, messageOf } from '../errors.ts';
import { literalBytes, type TreeChange } from '../protocol/tree-change.ts';
import { largestPaths } from '../sync/largest-paths.ts';
import type { PushSummary } from '../sync/push.ts';
import type { Context } from './context.ts';
import { formatBytes } from './format-bytes.ts';
import { listed, listedJson, print } from './terminal.ts';

export interface ReportOptions {
  readonly dryRun?: boolean | undefined;
  readonly json?: boolean | undefined;
  /** Says nothing of a push that had nothing to do. */
  readonly onlyChanges?: boolean | undefined;
}

/** More than this to send is worth a warning, in bytes. */
const largeBytes = 200e6;
/** How many paths the warning names. */
const namedPaths = 3;

/** Reports each buildlet's push, then throws if any of them failed. */
export async function reportPush(
  names: readonly string[],
  results: readonly PromiseSettledResult<PushSummary>[],
  seconds: number,
  options: ReportOptions,
  context: Context,
): Promise<void> {
  const failures: unknown[] = [];
  for (const [index, result] of results.entries()) {
    const name = names[index] ?? '';
    if (result.status === 'rejected') failures.push(result.reason);
    else if (options.dryRun) await printPlan(name, result.value, names.length > 1, context);
    else if (options.onlyChanges && result.value.changes.length === 0) continue;
    else if (options.json)
      await print(
        context.terminal,
        listedJson(toJson(name, result.value, seconds), context.terminal),
      );
    else context.talk.say(`${name}: ${inWords(result.value)}`);
  }
  throwIfAny(failures);
}

function throwIfAny(failures: readonly unknown[]): void {
  const [first, ...others] = failures;
  if (first === undefined) return;
  if (others.length === 0) throw first;
  const hint = isGomoteError(first) ? first.hint : undefined;
  const code = isGomoteError(first) ? first.code : 'ERR_LOST';
  throw new GomoteError(code, failures.map(messageOf).join('; '), { hint, cause: first });
}

/** Warns of a large push, and gives whether it did. */
export function warnIfLarge(changes: readonly TreeChange[], { talk }: Context): boolean {
  const sizeBytes = changes.reduce((sum, change) => sum + literalBytes(change), 0);
  if (sizeBytes <= largeBytes) return false;
  const paths = largestPaths(changes, namedPaths).map(
    ({ path, sizeBytes: size }) => `${path} (${formatBytes(size)})`,
  );
  talk.say(
    `warning: ${formatBytes(sizeBytes)} to send, most of it in ${paths.join(', ')}; --exclude leaves out`,
  );
  return true;
}

async function printPlan(
  name: string,
  { changes, files, bytes }: PushSummary,
  isOneOfMany: boolean,
  { terminal, talk }: Context,
): Promise<void> {
  const lines = changes.map((change) => {
    if (change.op === 'remove') return `remove ${change.path}`;
    if (change.op === 'mode') return `mode ${change.mode.toString(8)} ${change.path}`;
    const { path, kind } = change.entry;
    return `send ${path}${kind === 'directory' ? '/' : ''}`;
  });
  const title = isOneOfMany ? [`${name}:`] : [];
  await print(terminal, listed([...title, ...lines], terminal));
  talk.say(`${name}: would send ${files} files, ${formatBytes(bytes)}`);
}

function inWords({ changes, files, bytes, removed, wireBytes }: PushSummary): string {
  if (changes.length === 0) return 'nothing has changed';
  const parts = [`${files} ${files === 1 ? 'file' : 'files'} sent (${formatBytes(bytes)})`];
  if (removed > 0) parts.push(`${removed} removed`);
  return `${parts.join(', ')}; ${formatBytes(wireBytes)} on the wire`;
}

const toJson = (
  name: string,
  { files, bytes, removed, wireBytes, digest }: PushSummary,
  seconds: number,
) => ({ name, files, bytes, removed, wireBytes, seconds, digest });
