// gomote extend: extends the time until an unused buildlet ends.
import type { Command } from 'commander';
import { formatDuration, parseDuration } from '../../duration.ts';
import { GomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { printJson } from '../terminal/terminal.ts';

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('<duration>', 'how long it shall live from this moment on, used or not, such as 2h')
    .option('--json', 'print a JSON object')
    .action(async (name: string, text: string, { json }: { json?: boolean }) => {
      const byMs = parseDuration('duration', text);
      const expires = await context.gomote.withInstance(name, async (backend, instance) => {
        if (backend.extend === undefined) {
          throw new GomoteError(
            'ERR_USAGE',
            `the backend ${backend.name} cannot extend a buildlet's time`,
            {
              hint: 'every use of a buildlet gives it more',
            },
          );
        }
        return await backend.extend(instance, byMs, { signal: context.signal });
      });
      const { terminal } = context;
      if (json) return await printJson(terminal, { name, expires });
      if (expires === undefined) return;
      const leftMs = expires.getTime() - Date.now();
      context.messages.remark(`${name} expires in ${formatDuration(leftMs)} unless it is used`);
    });
}
