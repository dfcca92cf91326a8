// gomote logs: the output of a run so far, or as it comes; and the proof that a copy of it is whole.
import type { Command } from 'commander';
import type { Session } from '../../client/runs/session.ts';
import { GomoteError } from '../../errors.ts';
import { findRun } from '../../gomote/run/find-run.ts';
import type { SessionInfo } from '../../protocol/session.ts';
import type { Context } from '../context.ts';
import { LastLines } from '../run/last-lines.ts';
import { parseCount } from '../values.ts';

interface Options {
  follow?: boolean;
  sinceStart?: boolean;
  tail?: number;
  verify?: string;
}

export function define(command: Command, context: Context): void {
  command
    .argument('<name>', 'buildlet')
    .argument(
      '<id>',
      'the run, or the beginning of its id, as run --detach prints it and ps lists it',
    )
    .option('-f, --follow', 'go on until the run is over')
    .option('--since-start', 'all of it (default)')
    .option('--tail <n>', 'only the last N lines of what there is', (text) =>
      parseCount('--tail', text, 999_999, 0),
    )
    .option(
      '--verify <file>',
      'print nothing, but tell whether FILE is the whole output of the run',
    )
    .action(async (name: string, id: string, options: Options) => {
      if (options.sinceStart && options.tail !== undefined) {
        throw new GomoteError('ERR_USAGE', '--since-start and --tail contradict', {
          hint: 'give one of them',
        });
      }
      await context.withBuildlet(name, async ({ client }) => {
        const runs = await client.sessions.list({ signal: context.signal });
        const info = findRun(runs, name, id);
        const session = client.sessions.get(info.id);
        if (options.verify !== undefined)
          return await verify(name, session, info, options.verify, context);
        await printLog(session, info, options, context);
      });
    });
}

/** Prints what there is, or its last lines, and what is still to come if that is wanted. */
async function printLog(
  session: Session,
  info: SessionInfo,
  options: Options,
  context: Context,
): Promise<void> {
  const { stdout, stderr } = context.terminal;
  const common = { observe: true, signal: context.signal };
  let lostBytes = 0;
  const last = options.tail ? new LastLines(options.tail) : undefined;
  if (last !== undefined) {
    const streams = { stdout: last.stream(stdout), stderr: last.stream(stderr) };
    ({ lostBytes } = await session.readUntil(info.logBytes, { ...common, ...streams }));
    await last.print();
  }
  const until = options.follow ? Infinity : info.logBytes;
  const from = options.tail === undefined ? 0 : info.logBytes;
  if (until > from) {
    const result = await session.readUntil(until, { ...common, stdout, stderr, from });
    lostBytes += result.lostBytes;
  }
  if (lostBytes > 0) context.messages.say(`gomote: ${lostBytes} bytes of it had been dropped`);
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
