// Reports the result of a pull.
import { somePaths, throwIncompletePull } from '../../gomote/incomplete.ts';
import { plural } from '../../plural.ts';
import { specialFileText } from '../../protocol/unread.ts';
import type { PullSummary } from '../../sync/pull/pull-options.ts';
import type { Context } from '../context.ts';
import { printJson, printLines } from '../terminal/terminal.ts';
import { formatBytes } from './format-bytes.ts';

interface PullReportOptions {
  readonly seconds: number;
  /** Whether the paths left unchanged have been reported before. */
  readonly isKnown?: boolean | undefined;
  readonly dryRun?: boolean | undefined;
  readonly keepBoth?: boolean | undefined;
  readonly json?: boolean | undefined;
}

const cures = { force: '--force', keepBoth: '--keep-both' };

/** Reports a pull, then throws if any path was left unchanged. */
export async function reportPull(
  name: string,
  summary: PullSummary,
  { seconds, isKnown, dryRun, keepBoth, json }: PullReportOptions,
  { terminal, messages }: Context,
): Promise<void> {
  const { paths, reasons, ...counts } = summary;
  if (json) {
    const rounded = Math.round(seconds * 1000) / 1000;
    const planned = dryRun ? { paths } : {};
    await printJson(terminal, { name, ...counts, ...planned, seconds: rounded });
  } else {
    if (dryRun) await printLines(terminal, paths);
    if (!isKnown) sayLeft(name, summary, messages);
    messages.say(`${name}: ${inWords(summary, dryRun === true)}`);
  }
  if (!isKnown) throwIncompletePull(summary, { dryRun, keepBoth }, cures);
}

function sayLeft(
  name: string,
  { ignored, beside, others }: PullSummary,
  messages: Context['messages'],
): void {
  if (others.length > 0)
    messages.say(`${name}: not fetched, as it is ${specialFileText}: ${somePaths(others)}`);
  if (beside.length > 0) messages.say(`${name}: kept both: ${somePaths(beside)}`);
  if (ignored.length > 0) {
    messages.say(
      `${name}: left out, for it is ignored here: ${somePaths(ignored)}; see --no-ignore`,
    );
  }
}

function inWords(
  { files, bytes, wireBytes, storedBytes, paths }: PullSummary,
  isDry: boolean,
): string {
  if (paths.length === 0) return 'nothing new to pull';
  const what = plural(files, 'file');
  if (isDry) return `would bring ${what} (${formatBytes(bytes)})`;
  const stored = storedBytes > 0 ? `, ${formatBytes(storedBytes)} from the store` : '';
  return `${what} pulled (${formatBytes(bytes)}); ${formatBytes(wireBytes)} on the wire${stored}`;
}
