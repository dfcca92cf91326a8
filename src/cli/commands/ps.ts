// gomote ps: lists the runs on a buildlet, including finished ones.
import type { Command } from 'commander';
import { formatAge, formatDuration } from '../../duration.ts';
import { shellCommandLine } from '../../gomote/run/login-shell.ts';
import type { SessionInfo } from '../../protocol/session.ts';
import type { Context } from '../context.ts';
import { cpuTime, peakMemory } from '../run/run-usage.ts';
import { shellLine } from '../run/shell-words.ts';
import { type ListingOptions, listingOptions, printListing } from '../terminal/listing.ts';
import { type Column, formatColumns } from '../terminal/table.ts';

export function define(command: Command, context: Context): void {
  listingOptions(command.argument('<name>', 'buildlet')).action(
    async (name: string, options: ListingOptions) => {
      const { signal, terminal } = context;
      const runs = await context.withBuildlet(name, ({ client }) =>
        client.sessions.list({ signal }),
      );
      const table = () => formatColumns(runs, columns, terminal);
      await printListing(runs.map(toJson), options, { fields, table, terminal });
    },
  );
}

const ageOf = ({ started }: SessionInfo): number => Math.max(0, Date.now() - Date.parse(started));

const columns: Column<SessionInfo>[] = [
  { title: 'ID', cell: ({ id }) => id },
  { title: 'STATE', cell: condition },
  { title: 'TIME', cell: (run) => formatDuration(run.end?.durationMs ?? ageOf(run)) },
  { title: 'CPU', cell: ({ end }) => cpuTime(end?.usage), isForPeople: true },
  { title: 'MEMORY', cell: ({ end }) => peakMemory(end?.usage), isForPeople: true },
  { title: 'STARTED', cell: (run) => `${formatAge(new Date(run.started))} ago`, isForPeople: true },
  { title: 'COMMAND', cell: ({ command }) => commandLine(command) },
];

/** The command as typed in a shell; `shell` for a shell. */
function commandLine(command: SessionInfo['command']): string {
  const line = shellCommandLine(command);
  return line === undefined ? shellLine(command) : `shell ${line}`.trim();
}

const toJson = (run: SessionInfo) => ({ ...run, state: condition(run) });

const fields = ['id', 'started', 'command', 'running', 'detached', 'state', 'end'];

/** `running`, `detached` (runs without its client), `stopped` (stands still), or how it ended. */
function condition({ end, detached, stopped }: SessionInfo): string {
  if (stopped) return 'stopped';
  if (end === undefined) return detached ? 'detached' : 'running';
  const { why, code, signal, state } = end;
  if (why === 'not-started') return `not started: ${state}`;
  const how = signal ?? `exit ${code}`;
  return why === 'exit' || why === 'signal' ? how : `${how} (${why})`;
}
