// gomote pull: fetches files from a buildlet; nothing is deleted here.
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Buildlet } from '../../gomote/buildlet.ts';
import { pullInto, pullPlace } from '../../gomote/pull.ts';
import type { PullOptions, PullSummary } from '../../sync/pull/pull-options.ts';
import type { Context } from '../context.ts';
import { reportPull } from '../transfer/pull-report.ts';
import { pullAndWatch } from '../transfer/watch-pull.ts';
import { addPattern, contradiction, parseCompress } from '../values.ts';

interface Options {
  changed?: boolean;
  force?: boolean;
  keepBoth?: boolean;
  exclude: string[];
  ignore: boolean;
  dryRun?: boolean;
  watch?: boolean;
  compress?: PullOptions['compress'];
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument(
      '[remote]',
      'directory there, relative to the work directory (default: where push would put this tree)',
    )
    .argument(
      '[dir]',
      'directory here (default: the base name of REMOTE; without REMOTE this tree); of several buildlets: NAME in it',
    )
    .option('--changed', "only what the buildlet's commands have made or changed since the push")
    .option('--force', 'overwrite also what was changed here, or is something else here')
    .option('--keep-both', 'write what would overwrite that as NAME.remote beside it')
    .option('--exclude <pattern>', 'leave out, as in a .gitignore; can be repeated', addPattern, [])
    .option('--no-ignore', 'bring also what git, .gomoteignore and editors would leave out')
    .option('--dry-run', 'print what would come, and do nothing')
    .option('--watch', 'pull again and again what changes there, until Ctrl-C')
    .option('--compress <how>', 'auto, gzip, zstd or none (default: auto)', parseCompress)
    .option('--json', 'print a summary as JSON, with --watch a line a pull')
    .action(
      async (
        name: string,
        remote: string | undefined,
        to: string | undefined,
        options: Options,
      ) => {
        if (options.force && options.keepBoth) throw contradiction('--force', '--keep-both');
        if (options.watch && options.dryRun) throw contradiction('--watch', '--dry-run');
        const startedAtMs = performance.now();
        const given = pullPlace(remote, to);
        const place = { ...given, to: join(given.to, context.ownName ?? '') };
        const passed = { bytes: 0 };
        const pullOptions = {
          changedOnly: options.changed,
          force: options.force,
          keepBoth: options.keepBoth,
          exclude: options.exclude,
          noIgnore: !options.ignore,
          dryRun: options.dryRun,
          compress: options.compress,
          onCome: (bytes: number) => {
            passed.bytes += bytes;
          },
        };
        const pull = (buildlet: Buildlet) =>
          context.messages.showing(passed, () => pullInto(buildlet, place, pullOptions));
        const report = (summary: PullSummary, seconds: number, isKnown: boolean) =>
          reportPull(name, summary, { ...options, seconds, isKnown }, context);
        const summary = await context.withBuildlet(name, async (buildlet) => {
          if (!options.watch) return await pull(buildlet);
          const watched = { top: place.to, pull: () => pull(buildlet), report };
          return await pullAndWatch(buildlet, watched, context);
        });
        await report(summary, (performance.now() - startedAtMs) / 1000, false);
      },
    );
}
