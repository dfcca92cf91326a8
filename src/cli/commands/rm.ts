// gomote rm: removes files and directories on the buildlet.
import type { Command } from 'commander';
import { checkNamed } from '../../gomote/work-dir-path.ts';
import { printable } from '../../printable.ts';
import type { Context } from '../context.ts';
import { printJson } from '../terminal/terminal.ts';

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('<path...>', 'files or directories, relative to the work directory; . empties it')
    .option('--json', 'print a JSON object')
    .action(async (name: string, paths: string[], { json }: { json?: boolean }) => {
      for (const path of paths) checkNamed('the path', path);
      const { signal, messages, terminal } = context;
      await context.withBuildlet(name, async ({ client }) => {
        const { warnings } = await client.removeAll(paths, { signal });
        if (json) await printJson(terminal, { name, warnings });
        else for (const warning of warnings) messages.say(`${name}: ${printable(warning)}`);
      });
    });
}
