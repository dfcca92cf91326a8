// gomote gettar: a directory of the buildlet as .tar.gz, to stdout or a file.
import type { Command } from 'commander';
import { copyOutput } from '../../client/copy-output.ts';
import { GomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { writeWhole } from '../local-files.ts';

interface Options {
  dir?: string;
  output?: string;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .option('--dir <dir>', 'directory, relative to the work dir (default: all of it)')
    .option('-o, --output <file>', 'write to this file, under its name only when it is whole')
    .action(async (name: string, options: Options) => {
      const { stdout } = context.terminal;
      const { output } = options;
      if ((output === undefined || output === '-') && stdout.isTTY === true) {
        throw new GomoteError('ERR_USAGE', 'an archive is not for a terminal', {
          hint: 'give -o FILE, or redirect the output',
        });
      }
      const { signal } = context;
      await context.withBuildlet(name, async ({ client }) => {
        const archive = await client.getTar(options.dir ?? '', { signal });
        if (output === undefined || output === '-') await copyOutput(archive, stdout);
        else await writeWhole(output, archive);
      });
    });
}
