// gomote reap: removes leftovers of buildlets that have ended.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import type { Context } from '../context.ts';
import { forEachNamed, throwAll } from '../failures.ts';
import { listed, listedJson, print } from '../terminal/terminal.ts';

export function define(command: Command, context: Context): void {
  command.option('--json', 'print a JSON object').action(async ({ json }: { json?: boolean }) => {
    const backend = await context.backends.open();
    if (backend.reap === undefined) {
      throw new GomoteError('ERR_USAGE', `backend "${backend.name}" leaves nothing to reap`, {
        hint: 'its buildlets remove what they leave by themselves; give --backend NAME for another',
      });
    }
    const silent: GomoteError[] = [];
    const onFailure = (error: GomoteError) => silent.push(error);
    const call = { signal: context.signal };
    const removed = await backend.reap({ ...call, onFailure });
    const died = (await backend.list({ ...call, onFailure: () => undefined })).filter(
      ({ dead }) => dead !== undefined,
    );
    await forEachNamed(
      died.map(({ name }) => name),
      async (name) => {
        await backend.destroy(name, call);
        removed.push(`${name}: it had died`);
      },
      (counts) => `${counts} were not removed`,
    );
    const { terminal } = context;
    await print(terminal, json ? listedJson({ removed }, terminal, 2) : listed(removed, terminal));
    throwAll(silent);
    if (removed.length === 0 && !json) context.messages.remark('nothing to remove');
  });
}
