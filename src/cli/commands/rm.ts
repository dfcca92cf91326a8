// gomote rm: removes files and directories on the buildlet.
import type { Command } from 'commander';
import { checkInside } from '../../gomote/inside.ts';
import { printable } from '../../printable.ts';
import type { Context } from '../context.ts';

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('<path...>', 'files or directories, relative to the work dir; . empties it')
    .action(async (name: string, paths: string[]) => {
      for (const path of paths) checkInside('the path', path);
      const { signal, messages } = context;
      await context.withBuildlet(name, async ({ client }) => {
        const { warnings } = await client.removeAll(paths, { signal });
        for (const warning of warnings) messages.say(`${name}: ${printable(warning)}`);
      });
    });
}
