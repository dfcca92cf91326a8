// gomote logout: removes a coordinator that gomote login added, and its token.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { readLogins, removeLogin } from '../../gomote/config/logins.ts';
import type { Context } from '../context.ts';
import { printJson } from '../terminal/terminal.ts';

export function define(command: Command, context: Context): void {
  command
    .argument('[name]', 'backend (default: the only one)')
    .option('--json', 'print a JSON object')
    .action(async (given: string | undefined, { json }: { json?: boolean }) => {
      const names = [...(await readLogins(context.backends.configDir)).backends.keys()];
      const name = given ?? (names.length === 1 ? names[0] : undefined);
      if (name !== undefined && (await removeLogin(context.backends.configDir, name))) {
        const { terminal } = context;
        if (json) await printJson(terminal, { backend: name });
        return;
      }
      const known =
        names.length === 0 ? 'you are logged in nowhere' : `logins are: ${names.join(', ')}`;
      const message = name === undefined ? 'logout needs a name' : `there is no login "${name}"`;
      throw new GomoteError('ERR_USAGE', message, { hint: known });
    });
}
