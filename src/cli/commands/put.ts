// gomote put: copies one file to the buildlet.
import { basename } from 'node:path';
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { openSource } from '../../gomote/local-files.ts';
import { defaultMode, sendFile } from '../../gomote/send-file.ts';
import { destinationOf } from '../../gomote/transfer.ts';
import type { Compression } from '../../protocol/transfer.ts';
import type { Context } from '../context.ts';
import type { Passed } from '../terminal/progress.ts';
import { reported, watched } from '../transfer/transfer-report.ts';
import { parseCompress, parseOctalMode } from '../values.ts';

interface Options {
  mode?: number;
  compress?: Compression | 'auto';
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('<file>', 'file, or - for standard input')
    .argument(
      '[dest]',
      'where to, relative to the work directory; into a directory that is there, or with a / at the end',
    )
    .option(
      '--mode <octal>',
      "permissions, such as 755 (default: the file's own; 644 from standard input)",
      (text) => parseOctalMode('--mode', text),
    )
    .option('--compress <how>', 'auto, gzip, zstd or none (default: auto)', parseCompress)
    .option('--json', 'print a summary as JSON')
    .action(async (name: string, file: string, dest: string | undefined, options: Options) => {
      if (file === '-' && (dest === undefined || dest.endsWith('/'))) {
        throw new GomoteError('ERR_USAGE', 'put of standard input needs a destination file', {
          hint: 'gomote put NAME - DEST',
        });
      }
      const { signal } = context;
      const path = destinationOf(file, dest);
      const into = file === '-' ? undefined : basename(file);
      const source = await openSource(file, context.terminal, 'use gomote puttar for a tree');
      const mode = options.mode ?? source.mode ?? defaultMode;
      const passed: Passed = { bytes: 0, totalBytes: source.sizeBytes };
      await source.use((bytes) =>
        context.withBuildlet(name, async ({ client }) => {
          await reported(context, { json: options.json, passed }, async () => {
            const body = watched(bytes, passed);
            const { compress } = options;
            const sent = await sendFile({ name, client }, body, path, {
              mode,
              into,
              compress,
              signal,
            });
            return { ...sent, files: 1, bytes: passed.bytes };
          });
        }),
      );
    });
}
