// gomote push --dry-run without a buildlet: what would be sent to a new buildlet.
import { statSync } from '../../files/named-fs.ts';
import { pushPlace } from '../../gomote/push-place.ts';
import { plural } from '../../plural.ts';
import type { TreeChange } from '../../protocol/tree-change.ts';
import { largestPaths } from '../../sync/largest-paths.ts';
import { readLocalTree } from '../../sync/local/local-tree.ts';
import type { Context } from '../context.ts';
import { printJson, printLines } from '../terminal/terminal.ts';
import { looksLikeName } from '../which/names.ts';
import { formatBytes } from './format-bytes.ts';
import { largestCount, largestLine, sendLine, throwUnsent } from './push-report.ts';

interface PlanOptions {
  readonly exclude: readonly string[];
  readonly ignore: boolean;
  readonly dest?: string;
  readonly json?: boolean;
}

/** Whether the only argument is a local directory and not a buildlet. */
export async function isDirectoryHere(word: string, context: Context): Promise<boolean> {
  if (await looksLikeName(word, context)) return false;
  return statSync(word, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Prints what a push would send. Throws when some of it could not be sent. */
export async function printLocalPlan(
  given: string | undefined,
  { exclude, ignore, dest, json }: PlanOptions,
  context: Context,
): Promise<void> {
  const { terminal, messages } = context;
  const { top, dir } = pushPlace(given, dest, '--dest');
  const { environment } = terminal;
  const tree = await readLocalTree(top, { exclude, noIgnore: !ignore, environment });
  const changes: TreeChange[] = tree.entries.map((entry) => ({ op: 'write', entry }));
  const files = tree.entries.filter(({ kind }) => kind === 'file');
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const largest = largestPaths(changes, largestCount);
  if (json) {
    const unsent = [...tree.unsent.keys()];
    await printJson(terminal, { dir, files: files.length, bytes, largest, unsent });
  } else {
    const isShown = terminal.stdout.isTTY === true;
    const lines = tree.entries.map((entry) => sendLine(entry, entry.size, isShown));
    await printLines(terminal, lines);
    messages.say(
      `would send ${plural(files.length, 'file')} (${formatBytes(bytes)}) to ${dir} of a new buildlet`,
    );
    if (largest.length > 0) messages.say(largestLine(changes));
  }
  throwUnsent(tree.unsent, context);
}
