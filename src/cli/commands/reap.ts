// gomote reap: removes what is left of buildlets that have ended.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { listed, print } from '../terminal.ts';

export function define(command: Command, context: Context): void {
  command.action(async () => {
    const backend = await context.backend();
    if (backend.reap === undefined) {
      throw new GomoteError('ERR_USAGE', `backend "${backend.name}" leaves nothing to reap`, {
        hint: 'its buildlets remove what they leave by themselves; give --backend NAME for another',
      });
    }
    const removed = await backend.reap({ signal: context.signal });
    await print(context.terminal, listed(removed, context.terminal));
  });
}
