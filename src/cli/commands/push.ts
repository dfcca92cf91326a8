// gomote push: makes a directory of one or more buildlets equal to one of this machine.
import { basename } from 'node:path';
import type { Command } from 'commander';
import { hostTypeOf } from '../../builders.ts';
import { GomoteError } from '../../errors.ts';
import { cacheDirectory } from '../../files/cache-directory.ts';
import { currentDirectory } from '../../files/named-fs.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';
import { literalBytes } from '../../protocol/tree-change.ts';
import { notOfTree } from '../../protocol/unread.ts';
import { gitWorkTree } from '../../sync/ignore/git.ts';
import { realDirectory } from '../../sync/local/local-tree.ts';
import { push } from '../../sync/push/push.ts';
import type { PushOptions } from '../../sync/push/push-options.ts';
import { TreeWatch } from '../../sync/push/watch.ts';
import { withBuildlets } from '../buildlets.ts';
import type { Context, NamedBuildlet } from '../context.ts';
import { notePushed } from '../run/pushed-directory.ts';
import type { Passed } from '../terminal/progress.ts';
import { reportPush, warnIfLarge } from '../transfer/push-report.ts';
import { pushAndWatch, type WatchedPush } from '../transfer/watch-push.ts';
import { addPattern, checkInside, parseCommaList, parseCompress } from '../values.ts';

interface Options {
  dest?: string;
  dryRun?: boolean;
  mirror?: boolean;
  force?: boolean;
  exclude: string[];
  ignore: boolean;
  watch?: boolean;
  go?: boolean;
  compress?: PushOptions['compress'];
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<names>', 'buildlet, or several with commas between them')
    .argument('[dir]', 'directory (default: the git work tree of the current one, else it)')
    .option('--dest <dir>', 'where to, relative to the work dir (default: the base name of DIR)')
    .option('--dry-run', 'print what would be done, and do nothing')
    .option('--mirror', 'also remove what was not sent, such as what builds made')
    .option('--force', 'put a file in place of a directory there, with what builds made in it')
    .option('--exclude <pattern>', 'leave out, as in a .gitignore; can be repeated', addPattern, [])
    .option('--no-ignore', 'send also what git, .gomoteignore and editors would leave out')
    .option('--watch', 'push again whenever something changes, until Ctrl-C')
    .option('--go', "push Go's own tree as Go's gomote does: GOROOT to go/")
    .option('--compress <how>', 'auto, gzip, zstd or none (default: auto)', parseCompress)
    .option('--json', 'print a summary as JSON, a line a buildlet')
    .action(async (names: string, dir: string | undefined, options: Options) => {
      if (options.watch && options.dryRun) {
        throw new GomoteError('ERR_USAGE', '--watch and --dry-run contradict', {
          hint: 'give one of them',
        });
      }
      const { environment } = context.terminal;
      const go = options.go ? await goRoots() : undefined;
      const tree = go ? await go.goRoot(environment) : gitWorkTree(currentDirectory());
      const top = realDirectory(dir ?? tree ?? currentDirectory());
      const given = go?.goPushOptions(top, environment) ?? {
        dir: destinationOf(options.dest, top),
      };
      await pushTo(parseNames(names), top, given, options, context);
    });
}

/** Needed by few: what it is made of takes long to load. */
const goRoots = () => import('../../sync/go/go-root.ts');

function parseNames(text: string): string[] {
  const names = [...new Set(parseCommaList(text))];
  if (names.length > 0) return names;
  throw new GomoteError('ERR_USAGE', `no buildlet is named by "${text}"`, {
    hint: 'give NAME or NAME,NAME',
  });
}

function destinationOf(given: string | undefined, top: string): string {
  checkInside('--dest', given ?? '');
  const dir = normalizeRelativePath(given ?? basename(top));
  if (dir !== undefined && given !== '' && dir !== '') return dir;
  throw new GomoteError('ERR_USAGE', `bad --dest "${given}"`, {
    hint: 'give a path relative to the work dir, or . for the work dir itself',
  });
}

async function pushTo(
  names: readonly string[],
  top: string,
  given: Pick<PushOptions, 'dir'> & Partial<PushOptions>,
  options: Options,
  context: Context,
): Promise<void> {
  const { signal, messages, terminal } = context;
  let isWarned = false;
  const watch = options.watch ? new TreeWatch(top) : undefined;
  const passed: Passed = { bytes: 0 };
  const pushOptions: PushOptions = {
    signal,
    mirror: options.mirror,
    force: options.force,
    dryRun: options.dryRun,
    onEnter: watch && ((directory) => watch.enter(directory)),
    exclude: options.exclude,
    noIgnore: !options.ignore,
    compress: options.compress,
    environment: terminal.environment,
    cacheDirectory: cacheDirectory(terminal.environment),
    onTree: ({ others }) => {
      watch?.leave();
      if (isWarned) return;
      for (const path of others) messages.say(`not sent, as it is ${notOfTree}: ${path}`);
    },
    onSent: (bytes) => {
      passed.bytes += bytes;
    },
    onPlan: (changes) => {
      passed.totalBytes = changes.reduce(
        (sum, one) => sum + literalBytes(one),
        passed.totalBytes ?? 0,
      );
      if (!isWarned) isWarned = warnIfLarge(changes, context);
    },
    ...given,
  };
  const pushOnce = async (buildlets: readonly NamedBuildlet[]) => {
    const clients = buildlets.map(({ client }) => client);
    if (options.go && !options.dryRun) await prepareGo(buildlets, context);
    const results = await messages.showing(
      () => passed,
      () => push(clients, realDirectory(top), pushOptions),
    );
    if (!options.go && !options.dryRun) {
      for (const [index, result] of results.entries()) {
        const client = clients[index];
        if (client === undefined || result.status === 'rejected') continue;
        notePushed(client, { top, dir: pushOptions.dir }, terminal.environment);
      }
    }
    if (options.go && !options.dryRun) {
      const { giveVersion } = await goRoots();
      for (const client of clients) await giveVersion(client, signal);
    }
    return results;
  };
  const report: WatchedPush['report'] = async (some, results, sinceMs, onlyChanges) => {
    const seconds = (performance.now() - sinceMs) / 1000;
    const { dir } = pushOptions;
    await reportPush(some, results, seconds, { ...options, dir, onlyChanges }, context);
  };
  const startMs = performance.now();
  try {
    const results = await withBuildlets(context, names, async (buildlets) => {
      if (watch === undefined || buildlets.length === 0) return await pushOnce(buildlets);
      return await pushAndWatch(buildlets, { top, watch, push: pushOnce, report }, context);
    });
    await report(names, results, startMs, false);
  } finally {
    watch?.close();
  }
}

/** Sees to Go's bootstrap toolchain on each of the buildlets. */
async function prepareGo(buildlets: readonly NamedBuildlet[], context: Context): Promise<void> {
  const { installBootstrap } = await goRoots();
  const { catalogue } = await context.config();
  for (const { client, builder } of buildlets) {
    const host = builder && hostTypeOf(catalogue, builder);
    await installBootstrap(client, host?.goBootstrap, context.signal);
  }
}
