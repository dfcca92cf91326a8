// gomote watch: pushes and runs again whenever the tree changes.
import { isAbsolute, relative, resolve, sep } from 'node:path';
import type { Command } from 'commander';
import { messageOf } from '../../errors.ts';
import { currentDirectory } from '../../files/named-fs.ts';
import { pushToOne } from '../../gomote/push.ts';
import { pushPlace } from '../../gomote/push-place.ts';
import { TreeWatch } from '../../sync/push/watch.ts';
import { borrowOptions } from '../borrowed-options.ts';
import type { Context } from '../context.ts';
import { runOn } from '../run/run-command.ts';
import { checkRunOptions, defaultReport, type RunOptions } from '../run/run-options.ts';
import { watchRuns } from '../run/watch-runs.ts';
import { reportPush } from '../transfer/push-report.ts';
import * as push from './push.ts';
import * as run from './run.ts';

interface Options extends RunOptions {
  sh?: string;
  dest?: string;
  exclude: string[];
  ignore: boolean;
  interrupt?: boolean;
  clear: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('[cmd...]', 'command, which runs where the tree is, and its arguments')
    .option('--interrupt', 'when something changes, end the current run and begin again')
    .option('--no-clear', 'do not clear the screen before each run, as is done on a terminal');
  borrowOptions(command, push, '--dest --exclude --no-ignore', context);
  borrowOptions(
    command,
    run,
    `--sh --system --env --env-file --path --dir --firewall --builderenv
     --timeout --idle-timeout --kill-after --reconnect --timestamps --time --break
     --bundle-on-failure --get --require --junit --junit-output --fail-on-test-failures`,
    context,
  );
  command
    .passThroughOptions()
    .action(async (name: string, words: string[] = [], options: Options) => {
      checkRunOptions(options);
      const [cmd, ...args] = run.commandOf('watch', words, options.sh);
      context.exitCode = await watchTree({ name, cmd, args }, options, context);
    });
}

/** Patterns of what a run makes here, in the syntax of .gitignore: it is not pushed, since that would start the next run. */
function madeByRuns(
  top: string,
  { get = [], require = [], junit = [], junitOutput }: Options,
): string[] {
  const here = patternOf(relative(top, currentDirectory()));
  const fetched = [...get, ...require].map((pattern) => {
    const [, not = '', path = ''] = /^(!?)\/?(.*)$/s.exec(pattern) ?? [];
    const isAnchored = /\/./.test(pattern);
    return here === '' ? pattern : `${not}/${here}/${isAnchored ? '' : '**/'}${path}`;
  });
  const report = relative(top, resolve(currentDirectory(), junitOutput ?? defaultReport));
  const isInside = junit.length > 0 && report.split(sep)[0] !== '..' && !isAbsolute(report);
  return [...fetched, ...(isInside ? [`/${patternOf(report)}`] : [])];
}

const patternOf = (path: string): string =>
  path.replaceAll(sep, '/').replaceAll(/[\\*?[\] ]/g, '\\$&');

async function watchTree(
  command: { readonly name: string; readonly cmd: string; readonly args: readonly string[] },
  options: Options,
  context: Context,
): Promise<number> {
  const { terminal, signal } = context;
  const { name } = command;
  const place = pushPlace(undefined, options.dest, '--dest');
  const watch = new TreeWatch(place.top);
  const pushOptions = {
    signal,
    exclude: [...options.exclude, ...madeByRuns(place.top, options)],
    noIgnore: !options.ignore,
    onEnter: (directory: string) => watch.enter(directory),
    onTree: () => watch.leave(),
  };
  try {
    return await context.withBuildlet(name, async (buildlet) => {
      const push = async ({ dryRun }: { readonly dryRun: boolean }) => {
        const startedAtMs = performance.now();
        const summary = await pushToOne(buildlet, place, { ...pushOptions, dryRun });
        const seconds = (performance.now() - startedAtMs) / 1_000;
        const report = { dir: place.dir, onlyChanges: true };
        // Files that could not be sent are named; the rest has been sent.
        const say = (error: unknown) => context.messages.remark(messageOf(error));
        const isChanged = summary.changes.length > 0;
        if (!dryRun && isChanged)
          await reportPush(name, summary, seconds, report, context).catch(say);
        return isChanged;
      };
      const common = { buildlet, command, dir: options.dir ?? place.dir, options, context };
      return await watchRuns(common, {
        ...{ watch, top: place.top, push },
        run: (record) => runOn({ ...common, record }),
        interrupts: options.interrupt === true,
        clears: options.clear && terminal.stdout.isTTY === true,
      });
    });
  } finally {
    watch.close();
  }
}
