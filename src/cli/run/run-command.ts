// Runs a command: as a session where the buildlet has them, else by the base protocol.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { randomId } from '../../client/random-id.ts';
import { formatAge } from '../../duration.ts';
import { GomoteError, isGomoteError, NotStartedError, StatusError } from '../../errors.ts';
import { notStarted } from '../../gomote/run/ending.ts';
import { defaultKillAfterMs } from '../../gomote/run/lost.ts';
import { through } from '../../gomote/run/outputs.ts';
import { pushedDirectory, startDirectory } from '../../gomote/run/pushed-directory.ts';
import { requestOf } from '../../gomote/run/request.ts';
import { startFailure } from '../../gomote/run/start-failure.ts';
import type { SessionInfo, SessionRequest } from '../../protocol/session.ts';
import { inSpan } from '../../tracing.ts';
import type { Context } from '../context.ts';
import { signalCode } from '../exit-codes.ts';
import { print, type Terminal, terminalLike, wantsTerminal } from '../terminal/terminal.ts';
import { type Followed, followSession, reportOutage } from './follow-session.ts';
import { tapped } from './output-taps.ts';
import type { CommandToRun, Round, Run } from './run.ts';
import { runWithoutSession } from './run-base.ts';
import {
  checkRunOptions,
  needsAfter,
  type RunOptions,
  requireNoSessionOption,
} from './run-options.ts';
import {
  checkReportTarget,
  type RunRecord,
  reportOf,
  reportOfFailure,
  writeReport,
} from './run-report.ts';
import { describeEnd, statusOf } from './session-status.ts';
import { reportStopped } from './standstill.ts';

/**
 * Runs it; the result is the exit status of gomote.
 *
 * @param read Gives the command; what is wrong with it is reported like any other failure.
 */
export async function runCommand(
  read: () => CommandToRun,
  options: RunOptions,
  context: Context,
): Promise<number> {
  const { statusJson } = options;
  const { environment } = context.terminal;
  if (statusJson !== undefined) checkReportTarget(statusJson);
  const record: RunRecord = { startedAtMs: Date.now(), id: null };
  let code: number;
  try {
    checkRunOptions(options);
    const command = read();
    code = await context.withBuildlet(command.name, async (buildlet) => {
      const pushed = () => pushedDirectory(buildlet.client, environment);
      const dir = options.dir ?? startDirectory(command.cmd, pushed());
      const run = { buildlet, command, dir, options, context, record };
      if (options.onFailure === undefined) return await runOn(run);
      const { runWithOnFailure } = await import('./on-failure.ts');
      return await runWithOnFailure(run, runOn);
    });
  } catch (error) {
    record.received ??= context.interrupts.received;
    if (statusJson !== undefined) writeReport(statusJson, reportOfFailure(error, record));
    throw error;
  }
  if (statusJson !== undefined) writeReport(statusJson, reportOf(code, record));
  return code;
}

/** Runs the command as often as asked for, then does what the options ask for. */
export async function runOn(run: Run): Promise<number> {
  const { bundleOnFailure } = run.options;
  if (bundleOnFailure === undefined) return await runWithAfter(run);
  const { runWithBundle } = await import('./on-failure.ts');
  return await runWithBundle(run, bundleOnFailure, runWithAfter);
}

async function runWithAfter(run: Run): Promise<number> {
  if (!needsAfter(run.options)) return await runAll(run);
  return await (await import('./after-run.ts')).runAndFinish(run, runAll);
}

async function runAll(run: Run): Promise<number> {
  const { until, retry, timeout } = run.options;
  if (until === undefined && retry === undefined)
    return await runOnce(run, { taps: [], timeoutMs: timeout });
  const { runRounds } = await import('./rounds.ts');
  return await runRounds(run, (round) => runOnce(run, round));
}

async function runOnce(run: Run, round: Round): Promise<number> {
  const { command, dir, context, output } = run;
  const taps = [...round.taps, ...(output === undefined ? [] : [output])];
  await output?.restart();
  run.recorder?.restart();
  const { terminal, finish } = tapped(context.terminal, taps);
  try {
    const attributes = { 'gomote.buildlet': command.name };
    return await inSpan('run', { attributes }, async (set) => {
      const code = await runIn(run, { ...round, taps }, terminal);
      set({ 'process.exit.code': code, 'gomote.run': run.record.id ?? undefined });
      return code;
    });
  } catch (error) {
    throw error instanceof NotStartedError ? startFailure(error, command.cmd, dir) : error;
  } finally {
    await finish();
    if (run.options.time) await sayUsage(run);
  }
}

async function sayUsage({ context, record }: Run): Promise<void> {
  const { end } = record;
  if (end === undefined) return;
  const { usageLine } = await import('./run-usage.ts');
  context.messages.remark(usageLine(end));
}

async function runIn(
  { buildlet, command, dir, options, context, record, endsBuildlet, recorder }: Run,
  { taps, timeoutMs }: Round,
  terminal: Terminal,
): Promise<number> {
  const { client } = buildlet;
  const { name } = command;
  const { input = 'data', isOutputShared } = terminal;
  if (input === 'directory') {
    throw new GomoteError('ERR_LOCAL_FILE', 'standard input is a directory, which cannot be read', {
      hint: 'give a file, or </dev/null',
    });
  }
  const onTerminal = taps.length === 0 && !options.timestamps && wantsTerminal(options, terminal);
  const tty = onTerminal ? terminalLike(terminal) : undefined;
  const request: SessionRequest = {
    ...(await requestOf(
      buildlet,
      { ...command, dir },
      {
        ...options,
        env: [...(options.envFile ?? []), ...(options.env ?? [])],
        builderEnv: options.builderenv,
        timeoutMs,
        idleTimeoutMs: options.idleTimeout,
        killAfterMs: options.killAfter,
        reconnectMs: options.reconnect,
      },
    )),
    stdin: options.interactive === true || (input === 'data' && record.tries === undefined),
    // When both streams go to one place, one pipe keeps the order of writes.
    merge: isOutputShared,
    tty,
    detach: options.detach,
    breakOn: options.break,
  };
  if (options.break !== undefined) await checkBreak(client, options.break, context);
  record.request = request;
  const id = options.id ?? randomId();
  const session = client.sessions.get(id, {
    reconnectMs: options.reconnect,
    runAhead: context.terminal.isOutputShown !== true,
    times: options.timestamps || recorder !== undefined,
    onStandstill: reportStopped(context, name, id),
  });
  const onLost = reportOutage(context);
  if (options.id !== undefined) await sayKnown(client, options.id, context);
  if (options.detach) {
    const stdin = options.interactive === true;
    if (!stdin && input === 'data') {
      context.messages.remark('a detached run gets no standard input (-i sends all of it first)');
    }
    if (!(await session.start({ ...request, stdin }, { signal: context.signal, onLost }))) {
      requireNoSessionOption(client, options);
      return await runWithoutSession(client, request, context, terminal.stdout);
    }
    record.id = id;
    if (stdin) await session.sendInput(context.terminal.stdin, { signal: context.signal });
    if (session.notStarted !== undefined) throw notStarted(session.notStarted);
    await print(context.terminal, `${id}\n`);
    return 0;
  }
  const editor = options.timestamps
    ? new (await import('./line-editor.ts')).LineEditor({ timestamps: true })
    : undefined;
  const forward = options.forward === true;
  // A command with a terminal has a user watching.
  const ports =
    forward || (tty !== undefined && context.terminal.stderr.isTTY === true)
      ? await (await import('./new-ports.ts')).watchPorts(buildlet, context, { name, forward })
      : undefined;
  const followed = await followSession(session, context, {
    name,
    terminal,
    edit: recorder?.before(editor?.edit) ?? editor?.edit,
    stdin: request.stdin === true,
    tty: tty !== undefined,
    killAfterMs: options.killAfter ?? defaultKillAfterMs,
    onHangup: options.onHangup ?? 'kill',
    endsBuildlet,
    start: async (signal) => {
      try {
        return await session.start(request, { signal, onLost });
      } finally {
        if (session.mayRun) record.id = id;
      }
    },
  }).finally(() => ports?.close());
  if (followed.kind === 'not-started') {
    requireNoSessionOption(client, options);
    const { stdout: out } = terminal;
    const stdout = recorder === undefined ? out : through(recorder.take, out);
    return await runWithoutSession(client, request, context, stdout);
  }
  if (editor?.isGuessed)
    context.messages.remark(`${name} tells no times: they are those at which the output came`);
  return exitCodeOf(followed, context, record, request);
}

/** Throws what is wrong with --break. */
async function checkBreak(client: BuildletClient, text: string, context: Context): Promise<void> {
  const { compileGoPattern } = await import('../../go-pattern.ts');
  await compileGoPattern('--break', text);
  const { requireBreak } = await import('../../gomote/run/break.ts');
  await requireBreak(client, text, { option: '--break', signal: context.signal });
}

/** Reports that the run already exists: starting it again returns its output and status. */
async function sayKnown(client: BuildletClient, id: string, context: Context): Promise<void> {
  const known = await runOf(client, id, context);
  if (known === undefined) return;
  context.messages.remark(
    `run ${id} was started ${formatAge(new Date(known.started))} ago; it is not started again`,
  );
}

async function runOf(
  client: BuildletClient,
  id: string,
  { signal }: Context,
): Promise<SessionInfo | undefined> {
  try {
    return (await client.sessions.list({ signal })).find((one) => one.id === id);
  } catch (error) {
    // A buildlet without sessions.
    if (error instanceof StatusError || isGomoteError(error, 'ERR_UNSUPPORTED')) return undefined;
    throw error;
  }
}

/** The exit status for a session that was followed. Prints a remark on stderr where the status alone does not explain the end. */
export function exitCodeOf(
  followed: Followed,
  context: Context,
  record?: RunRecord,
  limits?: Pick<SessionRequest, 'timeoutMs' | 'idleTimeoutMs'>,
): number {
  if (followed.kind === 'not-started') {
    throw new GomoteError('ERR_UNSUPPORTED', 'the buildlet has no sessions');
  }
  const { by } = followed;
  if (record !== undefined) record.received = by;
  if (followed.kind === 'left') return by === undefined ? 0 : signalCode(by);
  const { end, lostBytes } = followed.result;
  if (record !== undefined) record.end = end;
  // Ctrl-C is for the command, whose status shows how it reacted. Other signals are for gomote.
  if (by === 'SIGTERM' || by === 'SIGHUP') return signalCode(by);
  const status = statusOf(end, lostBytes, limits);
  const remark = describeEnd(end);
  if (remark !== undefined && by === undefined) context.messages.remark(remark);
  return status;
}
