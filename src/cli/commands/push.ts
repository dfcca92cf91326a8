// gomote push: makes a directory of one or more buildlets equal to one of this machine.
import { basename } from 'node:path';
import type { Command } from 'commander';
import { GomoteError, isGomoteError, messageOf } from '../../errors.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';
import type { TreeChange } from '../../protocol/tree-change.ts';
import { gitWorkTree } from '../../sync/ask-git.ts';
import { largestPaths } from '../../sync/largest-paths.ts';
import { realDirectory } from '../../sync/local-tree.ts';
import { type PushOptions, type PushSummary, push } from '../../sync/push.ts';
import { withBuildlets } from '../buildlets.ts';
import { cacheDir } from '../cache-dir.ts';
import type { Context } from '../context.ts';
import { formatBytes } from '../format-bytes.ts';
import { print } from '../terminal.ts';
import { parseCommaList, parseCompress } from '../values.ts';

interface Options {
  dest?: string;
  dryRun?: boolean;
  mirror?: boolean;
  exclude: string[];
  ignore: boolean;
  watch?: boolean;
  go?: boolean;
  compress?: PushOptions['compress'];
  json?: boolean;
}

/** More than this to send is worth a warning, in bytes. */
const largeBytes = 200e6;

export function define(command: Command, context: Context): void {
  command
    .argument('<names>', 'buildlet, or several with commas between them')
    .argument('[dir]', 'directory (default: the git work tree of the current one, else it)')
    .option('--dest <dir>', 'where to, relative to the work dir (default: the base name of DIR)')
    .option('--dry-run', 'print what would be done, and do nothing')
    .option('--mirror', 'also remove what was not sent, such as what builds made')
    .option('--exclude <pattern>', 'leave out, as in a .gitignore; can be repeated', collect, [])
    .option('--no-ignore', 'send also what git, .gomoteignore and editors would leave out')
    .option('--compress <how>', 'auto, gzip, zstd or none (default: auto)', parseCompress)
    .option('--json', 'print a summary as JSON, a line a buildlet')
    .action(async (names: string, dir: string | undefined, options: Options) => {
      const top = realDirectory(dir ?? gitWorkTree(process.cwd()) ?? process.cwd());
      await pushTo(parseNames(names), top, destinationOf(options.dest, top), options, context);
    });
}

const collect = (value: string, before: string[]): string[] => [...before, value];

function parseNames(text: string): string[] {
  const names = [...new Set(parseCommaList(text))];
  if (names.length > 0) return names;
  throw new GomoteError('ERR_USAGE', `no buildlet is named by "${text}"`, {
    hint: 'give NAME or NAME,NAME',
  });
}

function destinationOf(given: string | undefined, top: string): string {
  const dir = normalizeRelativePath(given ?? basename(top));
  if (dir !== undefined && given !== '' && dir !== '') return dir;
  throw new GomoteError('ERR_USAGE', `bad --dest "${given}"`, {
    hint: 'give a path relative to the work dir, or . for the work dir itself',
  });
}

async function pushTo(
  names: readonly string[],
  top: string,
  dir: string,
  options: Options,
  context: Context,
): Promise<void> {
  const { signal, talk, terminal } = context;
  const startMs = performance.now();
  let isWarned = false;
  const pushOptions: PushOptions = {
    dir,
    signal,
    mirror: options.mirror,
    dryRun: options.dryRun,
    exclude: options.exclude,
    noIgnore: !options.ignore,
    compress: options.compress,
    environment: terminal.environment,
    cacheDirectory: cacheDir(terminal.environment, process.platform),
    onTree: ({ others }) => {
      for (const path of others) talk.say(`not sent, for it is no file: ${path}`);
    },
    onPlan: (changes) => {
      if (!isWarned) isWarned = warnIfLarge(changes, context);
    },
  };
  const results = await withBuildlets(context, names, (clients) => push(clients, top, pushOptions));
  const seconds = (performance.now() - startMs) / 1000;
  const failures: unknown[] = [];
  for (const [index, result] of results.entries()) {
    const name = names[index] ?? '';
    if (result.status === 'rejected') failures.push(result.reason);
    else if (options.dryRun) await printPlan(name, result.value, names.length > 1, context);
    else if (options.json) await print(terminal, `${toJson(name, result.value, seconds)}\n`);
    else talk.say(`${name}: ${inWords(result.value)}`);
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

function warnIfLarge(changes: readonly TreeChange[], { talk }: Context): boolean {
  const { sizeBytes, largest } = largestPaths(changes, 3);
  if (sizeBytes <= largeBytes) return false;
  const paths = largest.map(({ path, sizeBytes: size }) => `${path} (${formatBytes(size)})`);
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
    if (change.op === 'remove') return `remove ${change.path}\n`;
    if (change.op === 'mode') return `mode ${change.mode.toString(8)} ${change.path}\n`;
    const { path, kind } = change.entry;
    return `send ${path}${kind === 'directory' ? '/' : ''}\n`;
  });
  const title = isOneOfMany ? `${name}:\n` : '';
  await print(terminal, title + lines.join(''));
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
): string => JSON.stringify({ name, files, bytes, removed, wireBytes, seconds, digest });
