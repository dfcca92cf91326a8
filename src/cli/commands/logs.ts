// gomote logs: prints or follows the output of a run, or verifies a copy of it.
import type { Command } from 'commander';
import type { Session } from '../../client/runs/session.ts';
import { GomoteError } from '../../errors.ts';
import { findRun } from '../../gomote/run/find-run.ts';
import type { SessionInfo } from '../../protocol/session.ts';
import type { Context } from '../context.ts';
import { type LogOptions, parseMoment, printLog, printSilences } from '../run/print-log.ts';
import { contradiction, parseCount, parserOfEither } from '../values.ts';

interface Options extends LogOptions {
  sinceStart?: boolean;
  verify?: string;
  slow?: boolean;
}

/** Options that select lines exclude those that print none. */
const ofLines = ['follow', 'tail', 'timestamps', 'since', 'until', 'grep', 'stream'] as const;

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument(
      '<id>',
      'the run, or the beginning of its id, as run --detach prints it and ps lists it',
    )
    .option('-f, --follow', 'continue until the run has ended')
    .option('--since-start', 'all of it (default)')
    .option('--tail <n>', 'only the last N lines of what there is', (text) =>
      parseCount('--tail', text, 999_999, 0),
    )
    .option('--timestamps', 'begin each line with the time at which it was written')
    .option('--since <when>', 'only lines that were written after: 10m ago, or a time', (text) =>
      parseMoment('--since', text),
    )
    .option('--until <when>', 'only lines that were written before', (text) =>
      parseMoment('--until', text),
    )
    .option('--grep <re>', 'only lines that match this regular expression, of the syntax of Go')
    .option(
      '--stream <name>',
      'only stdout, or only stderr',
      parserOfEither('--stream', 'stdout', 'stderr'),
    )
    .option('--slow', 'print no output, but the longest silences and the line before each')
    .option(
      '--verify <file>',
      'print nothing, but tell whether FILE is the whole output of the run',
    )
    .action(async (name: string, id: string, options: Options) => {
      if (options.sinceStart && options.tail !== undefined)
        throw contradiction('--since-start', '--tail');
      const other = ofLines.find((key) => options[key] !== undefined);
      for (const alone of ['slow', 'verify'] as const) {
        const given =
          other ?? (alone === 'slow' && options.verify !== undefined ? 'verify' : undefined);
        if (options[alone] === undefined || given === undefined) continue;
        throw contradiction(`--${alone}`, `--${given}`);
      }
      await context.withBuildlet(name, async ({ client }) => {
        const runs = await client.sessions.list({ signal: context.signal });
        const info = findRun(runs, name, id);
        const session = client.sessions.get(info.id);
        if (options.verify !== undefined)
          return await verify(name, session, info, options.verify, context);
        if (options.slow) await printSilences(client, info, context);
        else await printLog(client, info, options, context);
      });
    });
}

async function verify(
  name: string,
  session: Session,
  info: SessionInfo,
  file: string,
  context: Context,
): Promise<void> {
  const { verifyCopy } = await import('../transfer/verify-copy.ts');
  if (info.end === undefined) {
    throw new GomoteError(
      'ERR_CONFLICT',
      `run ${info.id} is not over: no copy of it can be whole`,
      {
        hint: `wait for it: gomote wait ${name} ${info.id}`,
      },
    );
  }
  const what = await verifyCopy(name, session, info.end, file, context.signal);
  context.messages.say(`${file} is the whole ${what} of run ${info.id}`);
}
