// gomote ps: the runs on a buildlet, finished ones too.
import type { Command } from 'commander';
import { formatDuration } from '../../duration.ts';
import type { SessionInfo } from '../../protocol/session.ts';
import type { Context } from '../context.ts';
import { shellLine } from '../shell-words.ts';
import { formatTable } from '../table.ts';
import { listedJson, print } from '../terminal.ts';

interface Options {
  json?: boolean;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .option('--json', 'print a JSON array')
    .action(async (name: string, options: Options) => {
      const { signal, terminal } = context;
      const runs = await context.withBuildlet(name, ({ client }) =>
        client.sessions.list({ signal }),
      );
      const text = options.json
        ? listedJson(runs.map(toJson), terminal, 2)
        : formatTable(runs.map(toRow), terminal);
      await print(terminal, text);
    });
}

const toRow = (run: SessionInfo): string[] => [
  run.id,
  condition(run),
  formatDuration(run.end?.durationMs ?? Math.max(0, Date.now() - Date.parse(run.started))),
  shellLine(run.command),
];

const toJson = (run: SessionInfo) => ({ ...run, state: condition(run) });

/** `running`, `detached` (running, whoever reads), or how it ended. */
function condition({ end, detached }: SessionInfo): string {
  if (end === undefined) return detached ? 'detached' : 'running';
  const { why, code, signal, state } = end;
  if (why === 'not-started') return `not started: ${state}`;
  const how = signal ?? `exit ${code}`;
  return why === 'exit' || why === 'signal' ? how : `${how} (${why})`;
}
