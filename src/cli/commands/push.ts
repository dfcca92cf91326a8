// gomote push: makes a directory on one or more buildlets equal to a local one.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import type { Buildlet } from '../../gomote/buildlet.ts';
import { isAddress } from '../../gomote/buildlet-name.ts';
import { pushToAll, type TreeOptions } from '../../gomote/push.ts';
import { pushPlace } from '../../gomote/push-place.ts';
import type { LocalTree } from '../../sync/local/local-tree.ts';
import type { PushOptions } from '../../sync/push/push-options.ts';
import { TreeWatch } from '../../sync/push/watch.ts';
import type { Context } from '../context.ts';
import type { Passed } from '../terminal/progress.ts';
import { pushProgress, reportPushes } from '../transfer/push-report.ts';
import { pushAndWatch, type WatchedPush } from '../transfer/watch-push.ts';
import { addPattern, contradiction, parseCommaList, parseCompress } from '../values.ts';
import { fullNameOf } from '../which/names.ts';
import { noteForProject } from '../which/project.ts';

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
    .option(
      '--dest <dir>',
      'where to, relative to the work directory (default: the base name of DIR)',
    )
    .option('--dry-run', 'print what would be done, and do nothing; needs no buildlet')
    .option('--mirror', 'also remove what was not sent, such as what builds made')
    .option('--force', 'put a file in place of a directory there, with what builds made in it')
    .option('--exclude <pattern>', 'leave out, as in a .gitignore; can be repeated', addPattern, [])
    .option('--no-ignore', 'send also what git, .gomoteignore and editors would leave out')
    .option('--watch', 'push again whenever something changes, until Ctrl-C')
    .option('--go', "push Go's own tree as Go's gomote does: GOROOT to go/")
    .option('--compress <how>', 'auto, gzip, zstd or none (default: auto)', parseCompress)
    .option('--json', 'print a summary as JSON, a line a buildlet')
    .action(async (names: string | undefined, dir: string | undefined, options: Options) => {
      if (options.watch && options.dryRun) throw contradiction('--watch', '--dry-run');
      if (options.dryRun && !options.go && dir === undefined) {
        const plan = await import('../transfer/plan-push.ts');
        if (names === undefined || (await plan.isDirectoryHere(names, context))) {
          return await plan.printLocalPlan(names, options, context);
        }
      }
      const { environment } = context.terminal;
      const go = options.go ? await goRoots() : undefined;
      const { top, dir: there } = pushPlace(
        dir ?? (await go?.goRoot(environment)),
        options.dest,
        '--dest',
      );
      const given = go?.goPushOptions(top, environment) ?? { dir: there };
      await pushTo(parseNames(names ?? ''), top, given, options, context);
    });
}

/** What `gomote push --go` does with the tree at `top`. */
export async function pushGo(
  names: readonly string[],
  top: string,
  context: Context,
): Promise<void> {
  const { goPushOptions } = await goRoots();
  const given = goPushOptions(top, context.terminal.environment);
  await pushTo(names, top, given, { go: true, exclude: [], ignore: true }, context);
}

/** Loaded on demand: few pushes need it, and it takes long to load. */
export const goRoots = () => import('../../sync/go/go-root.ts');

function parseNames(text: string): string[] {
  const names = [...new Set(parseCommaList(text))];
  if (names.length > 0) return names;
  throw new GomoteError('ERR_USAGE', `no buildlet is named by "${text}"`, {
    hint: 'give NAME or NAME,NAME',
  });
}

async function pushTo(
  names: readonly string[],
  top: string,
  { dir: there, ...given }: Pick<PushOptions, 'dir'> & TreeOptions,
  options: Options,
  context: Context,
): Promise<void> {
  const { signal, messages } = context;
  const watch = options.watch ? new TreeWatch(top) : undefined;
  const passed: Passed = { bytes: 0 };
  const progress = pushProgress(passed, context);
  const pushOptions = {
    signal,
    isNoted: !options.go,
    mirror: options.mirror,
    force: options.force,
    dryRun: options.dryRun,
    onEnter: watch && ((directory: string) => watch.enter(directory)),
    exclude: options.exclude,
    noIgnore: !options.ignore,
    compress: options.compress,
    ...progress,
    onTree: (tree: LocalTree) => {
      watch?.leave();
      progress.onTree(tree);
    },
    ...given,
  };
  const pushOnce = async (buildlets: readonly Buildlet[]) => {
    if (options.go && !options.dryRun) await prepareGo(buildlets, context);
    const results = await messages.showing(passed, () =>
      pushToAll(buildlets, { top, dir: there }, pushOptions),
    );
    if (!options.dryRun) {
      for (const [index, result] of results.entries()) {
        const name = buildlets[index]?.name ?? '';
        if (result.status === 'rejected' || isAddress(name)) continue;
        noteForProject([await fullNameOf(name, context)], context.terminal.environment);
      }
    }
    if (options.go && !options.dryRun) {
      const { writeVersion } = await goRoots();
      for (const { client } of buildlets) await writeVersion(client, signal);
    }
    return results;
  };
  const report: WatchedPush['report'] = async (some, results, startedAtMs, onlyChanges) => {
    const seconds = (performance.now() - startedAtMs) / 1000;
    await reportPushes(some, results, seconds, { ...options, dir: there, onlyChanges }, context);
  };
  const startedAtMs = performance.now();
  try {
    const results = await withBuildlets(context, names, async (buildlets) => {
      if (watch === undefined || buildlets.length === 0) return await pushOnce(buildlets);
      return await pushAndWatch(buildlets, { top, watch, push: pushOnce, report }, context);
    });
    await report(names, results, startedAtMs, false);
  } finally {
    watch?.close();
  }
}

async function prepareGo(buildlets: readonly Buildlet[], context: Context): Promise<void> {
  const { installBootstrap } = await goRoots();
  const { catalogue } = await context.backends.config();
  for (const { client, builder } of buildlets) {
    // The host types of a coordinator are not in the configuration here.
    const host = catalogue.hosts.find(({ name }) => name === builder?.hostType);
    await installBootstrap(client, host?.goBootstrap, context.signal);
  }
}

/** Runs `work` on those of the named buildlets that can be reached. Returns one result for each name, in order. */
async function withBuildlets<T>(
  { gomote }: Context,
  names: readonly string[],
  work: (buildlets: readonly Buildlet[]) => Promise<PromiseSettledResult<T>[]>,
): Promise<PromiseSettledResult<T>[]> {
  const opened = await Promise.allSettled(names.map((name) => gomote.get(name)));
  const reached = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  try {
    const results = await work(reached).catch((reason: unknown) =>
      reached.map(() => ({ status: 'rejected', reason }) as const),
    );
    return await Promise.all(
      opened.map(async (one) => {
        if (one.status === 'rejected') return one;
        const result = results[reached.indexOf(one.value)];
        if (result?.status === 'fulfilled') return result;
        return { status: 'rejected', reason: await one.value.explain(result?.reason) };
      }),
    );
  } finally {
    await Promise.all(reached.map((buildlet) => buildlet.disconnect()));
  }
}
