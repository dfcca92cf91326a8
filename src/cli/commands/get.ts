// gomote get: copies one file of the buildlet to a local file or to standard output.
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { copyOutput } from '../../client/runs/copy-output.ts';
import { GomoteError } from '../../errors.ts';
import { writeWhole } from '../../gomote/local-files.ts';
import { onPath } from '../../gomote/remote-path.ts';
import { localName } from '../../gomote/transfer.ts';
import { checkNamed } from '../../gomote/work-dir-path.ts';
import type { Context } from '../context.ts';
import type { Passed } from '../terminal/progress.ts';
import { placeForBuildlet } from '../transfer/place-for-buildlet.ts';
import { reported, watched } from '../transfer/transfer-report.ts';

interface Options {
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('<path>', 'file, relative to the work directory')
    .argument(
      '[file]',
      'where to, - for standard output (default: its base name, here); of several buildlets: in a directory NAME there',
    )
    .option('--json', 'print a summary as JSON')
    .action(async (name: string, path: string, given: string | undefined, options: Options) => {
      if (given === '-' && options.json) {
        throw new GomoteError('ERR_USAGE', '--json and the file cannot both go to stdout', {
          hint: 'give a FILE',
        });
      }
      checkNamed('the file', path);
      const { signal } = context;
      const file =
        given === '-' ? undefined : placeForBuildlet(await localName(given, path), context);
      const passed: Passed = { bytes: 0 };
      await context.withBuildlet(name, ({ client }) =>
        reported(context, { json: options.json, passed }, async () => {
          const remote = await onPath(name, path, () => client.files.get(path, { signal }));
          passed.totalBytes = remote.sizeBytes;
          const body = watched(remote.body, passed);
          if (file === undefined) await copyOutput(Readable.from(body), context.terminal.stdout);
          else await writeWhole(file, body, remote);
          return remote.summary();
        }),
      );
    });
}
