// gomote pull: makes a directory here hold what one of the buildlet holds.
import { basename, resolve } from 'node:path';
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { cacheDirectory } from '../../files/cache-directory.ts';
import { normalizeRelativePath } from '../../protocol/relative-path.ts';
import { gitWorkTree } from '../../sync/git.ts';
import { type PullOptions, type PullSummary, pull } from '../../sync/pull.ts';
import type { Context } from '../context.ts';
import { formatBytes } from '../format-bytes.ts';
import { expectShortLife } from '../short-life.ts';
import { listedJson, print } from '../terminal.ts';
import { parseCompress } from '../values.ts';

interface Options {
  changed?: boolean;
  force?: boolean;
  compress?: PullOptions['compress'];
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument(
      '[remote]',
      'directory there, relative to the work dir (default: where push would put this tree)',
    )
    .argument(
      '[dir]',
      'directory here (default: the base name of REMOTE; without REMOTE this tree)',
    )
    .option('--changed', "only what the buildlet's commands have made or changed since the push")
    .option('--force', 'overwrite also what is newer here, or of another kind')
    .option('--compress <how>', 'auto, gzip, zstd or none (default: auto)', parseCompress)
    .option('--json', 'print a summary as JSON')
    .action(
      async (
        name: string,
        remote: string | undefined,
        to: string | undefined,
        options: Options,
      ) => {
        expectShortLife();
        const startMs = performance.now();
        const tree = gitWorkTree(process.cwd()) ?? process.cwd();
        const dir = normalizeRelativePath(remote ?? basename(tree));
        if (dir === undefined || remote === '') {
          throw new GomoteError('ERR_USAGE', `bad directory "${remote}"`, {
            hint: 'give a path relative to the work dir, or . for the work dir itself',
          });
        }
        const here = to ?? (remote === undefined ? tree : dir === '.' ? '.' : basename(dir));
        const passed = { bytes: 0 };
        const pullOptions: PullOptions = {
          dir,
          signal: context.signal,
          changedOnly: options.changed,
          force: options.force,
          compress: options.compress,
          cacheDirectory: cacheDirectory(context.terminal.environment),
          onCome: (bytes) => {
            passed.bytes += bytes;
          },
        };
        const summary = await context.withBuildlet(name, ({ client }) =>
          context.talk.showing(
            () => passed,
            () => pull(client, resolve(here), pullOptions),
          ),
        );
        const seconds = (performance.now() - startMs) / 1000;
        if (options.json)
          await print(
            context.terminal,
            listedJson({ name, ...summary, seconds }, context.terminal),
          );
        else context.talk.say(`${name}: ${inWords(summary)}`);
        throwIfLeft(summary, here);
      },
    );
}

function inWords({ files, bytes, wireBytes }: PullSummary): string {
  if (files === 0) return 'no file has come';
  const what = `${files} ${files === 1 ? 'file has' : 'files have'} come`;
  return `${what} (${formatBytes(bytes)}); ${formatBytes(wireBytes)} on the wire`;
}

/** How many paths a message names. */
const shownPaths = 3;

function throwIfLeft({ kept, refused }: PullSummary, here: string): void {
  if (refused.length > 0) {
    throw new GomoteError(
      'ERR_ARCHIVE',
      `${some(refused)}: a link that leads out of ${here} was not made`,
      { hint: 'everything else has come' },
    );
  }
  if (kept.length === 0) return;
  throw new GomoteError('ERR_CONFLICT', `${some(kept)}: newer here, or something else here`, {
    hint: 'everything else has come; --force overwrites',
  });
}

const some = (paths: readonly string[]): string => {
  const shown = paths.slice(0, shownPaths).join(', ');
  return paths.length > shownPaths ? `${shown} and ${paths.length - shownPaths} more` : shown;
};
