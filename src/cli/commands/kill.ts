// gomote kill: a signal to the processes of runs.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { signalByName, signals } from '../../protocol/signals.ts';
import { doAll } from '../all.ts';
import type { Context } from '../context.ts';

interface Options {
  signal: string;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('<id...>', 'runs, as gomote ps lists them')
    .option('-s, --signal <signal>', 'TERM, SIGTERM or 15', parseSignal, 'SIGTERM')
    .action(async (name: string, ids: string[], options: Options) => {
      const { signal } = context;
      await context.withBuildlet(name, ({ client }) =>
        doAll(
          ids,
          (id) => client.sessions.get(id).kill(options.signal, { signal }),
          (counts) => `${counts} got no ${options.signal}`,
        ),
      );
    });
}

function parseSignal(text: string): string {
  const name = text.toUpperCase();
  const found = /^[0-9]+$/.test(name)
    ? signals.find(({ number }) => number === Number(name))
    : signalByName(name.startsWith('SIG') ? name : `SIG${name}`);
  if (found !== undefined) return found.name;
  throw new GomoteError('ERR_USAGE', `-s "${text}" is not a signal`, {
    hint: 'give one such as INT, TERM or KILL',
  });
}
