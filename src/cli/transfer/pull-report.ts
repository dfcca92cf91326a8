// Reports the result of a pull.
import { GomoteError } from '../../errors.ts';
import { quoted } from '../../printable.ts';
import { notOfTree } from '../../protocol/unread.ts';
import type { PullSummary } from '../../sync/pull/pull.ts';
import type { Context } from '../context.ts';
import { listed, listedJson, print } from '../terminal/terminal.ts';
import { formatBytes } from './format-bytes.ts';

interface PullReportOptions {
  readonly seconds: number;
  readonly dryRun?: boolean | undefined;
  readonly keepBoth?: boolean | undefined;
  readonly json?: boolean | undefined;
}

/** Reports a pull, then throws if something was left as it is. */
export async function reportPull(
  name: string,
  summary: PullSummary,
  { seconds, dryRun, keepBoth, json }: PullReportOptions,
  { terminal, messages }: Context,
): Promise<void> {
  const { paths, reasons, ...counts } = summary;
  if (json) {
    const rounded = Math.round(seconds * 1000) / 1000;
    const planned = dryRun ? { paths } : {};
    await print(terminal, listedJson({ name, ...counts, ...planned, seconds: rounded }, terminal));
  } else {
    if (dryRun) await print(terminal, listed(paths, terminal));
    const { ignored, beside, others } = summary;
    if (others.length > 0)
      messages.say(`${name}: not fetched, as it is ${notOfTree}: ${some(others)}`);
    if (beside.length > 0) messages.say(`${name}: kept both: ${some(beside)}`);
    if (ignored.length > 0) {
      messages.say(`${name}: left out, for it is ignored here: ${some(ignored)}; see --no-ignore`);
    }
    messages.say(`${name}: ${inWords(summary, dryRun === true)}`);
  }
  throwIfIncomplete(summary, { dryRun, keepBoth });
}

function inWords({ files, bytes, wireBytes, paths }: PullSummary, isDry: boolean): string {
  if (paths.length === 0) return 'nothing new to pull';
  const what = files === 1 ? '1 file' : `${files} files`;
  if (isDry) return `would bring ${what} (${formatBytes(bytes)})`;
  return `${what} pulled (${formatBytes(bytes)}); ${formatBytes(wireBytes)} on the wire`;
}

function throwIfIncomplete(
  { kept, beside, refused, failed, reasons }: PullSummary,
  { dryRun, keepBoth }: Pick<PullReportOptions, 'dryRun' | 'keepBoth'>,
): void {
  const besides = new Set(beside);
  const conflicts = kept.filter((path) => !besides.has(`${path}.remote`));
  const left = [...conflicts, ...refused, ...failed];
  if (left.length === 0) return;
  const code = conflicts.length > 0 ? 'ERR_CONFLICT' : refused.length > 0 ? 'ERR_PATH' : 'ERR_LOST';
  const rest = dryRun ? 'nothing was done' : 'everything else has come';
  // With --keep-both, a conflict is left only where something else has the name that the other version would get.
  const other = keepBoth
    ? 'or move away what is called NAME.remote here'
    : '--keep-both writes NAME.remote beside it';
  const cure = conflicts.length > 0 ? `; --force overwrites, ${other}` : '';
  throw new GomoteError(
    code,
    some(left, (path) => `${path}: ${withoutPath(path, reasons.get(path) ?? '')}`),
    {
      hint: rest + cure,
    },
  );
}

/** The reason, which may begin with the path again. */
const withoutPath = (path: string, reason: string): string =>
  reason.startsWith(quoted(path)) ? reason.slice(quoted(path).length).trim() : reason;

/** How many paths a message names. */
const shownPaths = 5;

function some(paths: readonly string[], inFull: (path: string) => string = (path) => path): string {
  const shown = paths.slice(0, shownPaths).map(inFull);
  const left = paths.length - shown.length;
  return `${shown.join('; ')}${left > 0 ? ` and ${left} more` : ''}`;
}
