// gomote kill: sends a signal to the processes of runs.
import type { Command } from 'commander';
import { GomoteError } from '../../errors.ts';
import { findRun } from '../../gomote/run/find-run.ts';
import { signalByName, signals } from '../../protocol/signals.ts';
import type { Context } from '../context.ts';
import { forEachNamed } from '../failures.ts';
import { printJson } from '../terminal/terminal.ts';

interface Options {
  signal: string;
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument('<id...>', 'runs, or the beginnings of their ids, as gomote ps lists them')
    .option(
      '-s, --signal <signal>',
      'TERM, SIGTERM or 15; also as -TERM or -15; 0 only tests whether it runs',
      parseSignal,
      'SIGTERM',
    )
    .option('--json', 'print a JSON object')
    .action(async (name: string, ids: string[], options: Options) => {
      const { signal, terminal } = context;
      const reached: string[] = [];
      await context.withBuildlet(name, async ({ client }) => {
        const runs = await client.sessions.list({ signal });
        await forEachNamed(
          ids,
          async (given) => {
            const { id, running } = findRun(runs, name, given);
            if (options.signal !== '0') {
              await client.sessions.get(id).kill(options.signal, { signal });
            } else if (!running) throw new GomoteError('ERR_CONFLICT', `run "${id}" has ended`);
            reached.push(id);
          },
          (counts) => `${counts} got no ${options.signal}`,
        ).finally(async () => {
          if (!options.json) return;
          const told = { name, signal: options.signal, runs: reached };
          await printJson(terminal, told);
        });
      });
    });
}

/** `-9` and `-KILL` as `-s 9` and `-s KILL`, as kill(1) takes them. */
export const rewrite = (args: readonly string[]): string[] =>
  args.flatMap((word) => {
    const signal = /^-([0-9]+|[A-Z][A-Z0-9+-]+)$/.exec(word)?.[1];
    return signal === undefined ? [word] : ['-s', signal];
  });

function parseSignal(text: string): string {
  const name = text.toUpperCase();
  // As with kill(1), signal 0 sends nothing, and the status says whether the run is alive.
  if (name === '0') return name;
  if (/^(SIG)?RT(MIN|MAX)/.test(name) || (/^[0-9]+$/.test(name) && +name > 31 && +name < 65)) {
    throw new GomoteError('ERR_USAGE', `-s "${text}" is a real-time signal`, {
      hint: `buildlets cannot send those; gomote run NAME kill -s ${text} PID can`,
    });
  }
  const found = /^[0-9]+$/.test(name)
    ? signals.find(({ number }) => number === Number(name))
    : signalByName(name.startsWith('SIG') ? name : `SIG${name}`);
  if (found !== undefined) return found.name;
  throw new GomoteError('ERR_USAGE', `-s "${text}" is not a signal`, {
    hint: 'give one such as INT, TERM or KILL',
  });
}
