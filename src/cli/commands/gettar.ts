// gomote gettar: writes a directory of the buildlet as .tar.gz to stdout or a file.
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { copyOutput } from '../../client/runs/copy-output.ts';
import { GomoteError } from '../../errors.ts';
import { writeWhole } from '../../gomote/local-files.ts';
import { onPath } from '../../gomote/remote-path.ts';
import { checkInside } from '../../gomote/work-dir-path.ts';
import type { Compression } from '../../protocol/transfer.ts';
import type { Context } from '../context.ts';
import type { Passed } from '../terminal/progress.ts';
import { reported, watched } from '../transfer/transfer-report.ts';
import { parseCompress } from '../values.ts';

interface Options {
  dir?: string;
  output?: string;
  compress?: Compression | 'auto';
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .option('--dir <dir>', 'directory, relative to the work directory (default: all of it)')
    .option(
      '-o, --output <file>',
      'write to this file, under its name only when it is whole; of several buildlets: NAME.tar.gz in this directory',
    )
    .option(
      '--compress <how>',
      'gzip, zstd, or none, which is gzip that stores (default: auto, which is gzip)',
      parseCompress,
    )
    .option('--json', 'print a summary as JSON')
    .action(async (name: string, options: Options) => {
      checkInside('--dir', options.dir ?? '');
      const { stdout } = context.terminal;
      const output = outputOf(options, context);
      if ((output === undefined || output === '-') && stdout.isTTY === true) {
        throw new GomoteError('ERR_USAGE', 'an archive is not written to a terminal', {
          hint: 'give -o FILE, or redirect the output',
        });
      }
      const isToStdout = output === undefined || output === '-';
      if (isToStdout && options.json) {
        throw new GomoteError('ERR_USAGE', '--json and the archive cannot both go to stdout', {
          hint: 'give -o FILE',
        });
      }
      const { signal } = context;
      const compress = options.compress === 'auto' ? 'gzip' : options.compress;
      const passed: Passed = { bytes: 0 };
      await context.withBuildlet(name, ({ client }) =>
        reported(context, { json: options.json, passed }, async () => {
          const dir = options.dir ?? '';
          const download = await onPath(name, dir, () =>
            client.download(dir, { compress, isPartial: true, signal }),
          );
          requireKind(compress, download.compression, name);
          const archive = watched(download.body, passed);
          if (isToStdout) await copyOutput(Readable.from(archive), stdout);
          else await writeWhole(output, archive);
          return download.summary();
        }),
      );
    });
}

/** The destination; with several buildlets, `NAME.tar.gz` in the given directory or the current one. */
function outputOf({ output }: Options, { ownName }: Context): string | undefined {
  if (ownName === undefined) return output;
  if (output !== '-') return join(output ?? '.', `${ownName}.tar.gz`);
  throw new GomoteError('ERR_USAGE', 'several archives cannot go to stdout', {
    hint: 'give -o DIR',
  });
}

function requireKind(wished: Compression | undefined, got: string, name: string): void {
  if (wished !== 'zstd' || got === 'zstd') return;
  throw new GomoteError('ERR_USAGE', `${name} has no zstd`, { hint: 'give --compress gzip' });
}
