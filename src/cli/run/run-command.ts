// Runs a command: as a session where the buildlet has them, else by the base protocol.
import type { BuildletClient } from '../../client/buildlet-client.ts';
import { randomId } from '../../client/random-id.ts';
import { formatDuration } from '../../duration.ts';
import { GomoteError, isGomoteError, NotStartedError, StatusError } from '../../errors.ts';
import {
  closedNetworkVariable,
  isSessionId,
  type SessionInfo,
  type SessionRequest,
} from '../../protocol/session.ts';
import type { Context, NamedBuildlet } from '../context.ts';
import { signalCode } from '../exit-codes.ts';
import { print, terminalLike, wantsTerminal } from '../terminal/terminal.ts';
import { checkInside } from '../values.ts';
import { actingBuilder } from './acting-builder.ts';
import { type Followed, followSession, reportOutage } from './follow-session.ts';
import { pushedDirectory } from './pushed-directory.ts';
import { runWithoutSession } from './run-base.ts';
import {
  checkReportTarget,
  type RunRecord,
  reportOf,
  reportOfFailure,
  writeReport,
} from './run-report.ts';
import { describeEnd, notStarted, statusOf } from './session-status.ts';
import { startFailure } from './start-failure.ts';

export interface RunOptions {
  system?: boolean;
  debug?: boolean;
  env?: string[];
  envFile?: string[];
  firewall?: boolean;
  path?: string[];
  dir?: string;
  builderenv?: string;
  interactive?: boolean;
  tty?: boolean;
  timeout?: number;
  idleTimeout?: number;
  killAfter?: number;
  reconnect?: number;
  detach?: boolean;
  id?: string;
  onHangup?: 'kill' | 'detach';
  statusJson?: string;
}

interface CommandToRun {
  /** The buildlet, as the user names it. */
  readonly name: string;
  readonly cmd: string;
  readonly args: readonly string[];
}

const defaultKillAfterMs = 5_000;

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
  const { id, statusJson } = options;
  if (statusJson !== undefined) checkReportTarget(statusJson);
  const record: RunRecord = { startMs: Date.now(), id: null };
  let code: number;
  try {
    if (id !== undefined && !isSessionId(id)) {
      throw new GomoteError('ERR_USAGE', `--id "${id}" is not an id`, {
        hint: 'give 1 to 64 letters, digits, - and _',
      });
    }
    if (options.detach && statusJson !== undefined) {
      const message = '--status-json tells how a run ended, and --detach does not wait for that';
      throw new GomoteError('ERR_USAGE', message, {
        hint: 'leave one of them out; gomote ps --json NAME tells it later',
      });
    }
    const command = read();
    code = await context.withBuildlet(command.name, (buildlet) =>
      runOn(buildlet, command, options, context, record),
    );
  } catch (error) {
    record.received ??= context.interrupts.received;
    if (statusJson !== undefined) writeReport(statusJson, reportOfFailure(error, record));
    throw error;
  }
  if (statusJson !== undefined) writeReport(statusJson, reportOf(code, record));
  return code;
}

async function runOn(
  buildlet: NamedBuildlet,
  command: CommandToRun,
  options: RunOptions,
  context: Context,
  record: RunRecord,
): Promise<number> {
  const { environment } = context.terminal;
  const dir = options.dir ?? pushedDirectory(buildlet.client, environment) ?? '';
  try {
    return await runIn(dir, buildlet, command, options, context, record);
  } catch (error) {
    throw error instanceof NotStartedError ? startFailure(error, command.cmd, dir) : error;
  }
}

async function runIn(
  dir: string,
  { client, builder }: NamedBuildlet,
  { name, cmd, args }: CommandToRun,
  options: RunOptions,
  context: Context,
  record: RunRecord,
): Promise<number> {
  const systemLevel = options.system === true || isOfSystem(cmd, dir);
  if (!systemLevel) checkInside('the command', cmd);
  if (!systemLevel || !dir.startsWith('/')) checkInside('--dir', dir);
  const acting = await actingBuilder(builder, options.builderenv, name, context);
  const { input = 'data', isOutputShared } = context.terminal;
  if (input === 'directory') {
    throw new GomoteError('ERR_LOCAL_FILE', 'standard input is a directory, which cannot be read', {
      hint: 'give a file, or </dev/null',
    });
  }
  const tty = wantsTerminal(options, context.terminal) ? terminalLike(context.terminal) : undefined;
  const request: SessionRequest = {
    cmd,
    args,
    systemLevel,
    debug: options.debug === true,
    dir,
    env: [
      ...(acting?.env ?? []),
      ...(options.envFile ?? []),
      ...(options.env ?? []),
      ...(options.firewall ? [`${closedNetworkVariable}=1`] : []),
    ],
    path: options.path ?? acting?.path,
    stdin: options.interactive === true || input === 'data',
    // Where both streams end up in one place, one pipe keeps the order in which they were written.
    merge: isOutputShared,
    tty,
    detach: options.detach,
    // 0 is no limit, as Go has it.
    timeoutMs: options.timeout || undefined,
    idleTimeoutMs: options.idleTimeout || undefined,
    killAfterMs: options.killAfter,
    ...(options.reconnect !== undefined && { graceMs: Math.max(60_000, options.reconnect) }),
  };
  const id = options.id ?? randomId();
  const session = client.sessions.get(id, {
    reconnectMs: options.reconnect,
    runAhead: context.terminal.isOutputShown !== true,
  });
  const onLost = reportOutage(context);
  if (options.id !== undefined) await sayKnown(client, options.id, context);
  if (options.detach) {
    const stdin = options.interactive === true;
    if (!stdin && input === 'data') {
      context.messages.say(
        'gomote: a detached run gets no standard input (-i sends all of it first)',
      );
    }
    if (!(await session.start({ ...request, stdin }, { signal: context.signal, onLost }))) {
      requireNoSessionOption(client, options);
      return await runWithoutSession(client, request, context);
    }
    record.id = id;
    if (stdin) await session.sendInput(context.terminal.stdin, { signal: context.signal });
    if (session.notStarted !== undefined) throw notStarted(session.notStarted);
    await print(context.terminal, `${id}\n`);
    return 0;
  }
  const followed = await followSession(session, context, {
    name,
    stdin: request.stdin === true,
    tty: tty !== undefined,
    killAfterMs: options.killAfter ?? defaultKillAfterMs,
    onHangup: options.onHangup ?? 'kill',
    start: async (signal) => {
      try {
        return await session.start(request, { signal, onLost });
      } finally {
        if (session.mayRun) record.id = id;
      }
    },
  });
  if (followed.kind === 'not-started') {
    requireNoSessionOption(client, options);
    return await runWithoutSession(client, request, context);
  }
  return exitCodeOf(followed, context, record, request);
}

/**
 * Whether a command is found as in a shell: a bare name on PATH, `./x` in the directory of the run. Go's gomote finds both
 * in the work directory, as it finds `dir/x`.
 */
const isOfSystem = (cmd: string, dir: string): boolean =>
  !cmd.includes('/') || (dir === '' ? cmd.startsWith('/') : /^\.?\//.test(cmd));

/** Says that a run of that id is there already: starting it again gives what that one wrote, and its status. */
async function sayKnown(client: BuildletClient, id: string, context: Context): Promise<void> {
  const known = await runOf(client, id, context);
  if (known === undefined) return;
  const age = formatDuration(Math.max(0, Date.now() - Date.parse(known.started)));
  context.messages.say(`gomote: run ${id} was started ${age} ago; it is not started again`);
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

/** The exit status for a session that was followed, after a remark on stderr where it does not tell all. */
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
  // Ctrl-C is for the command, and its status tells what it made of it; the others are for gomote.
  if (by === 'SIGTERM' || by === 'SIGHUP') return signalCode(by);
  const status = statusOf(end, lostBytes, limits);
  const remark = describeEnd(end);
  if (remark !== undefined && by === undefined) context.messages.say(`gomote: ${remark}`);
  return status;
}

/** The value of --on-hangup; throws ERR_USAGE. */
export function parseOnHangup(text: string): 'kill' | 'detach' {
  if (text === 'kill' || text === 'detach') return text;
  throw new GomoteError('ERR_USAGE', `--on-hangup "${text}" is neither kill nor detach`, {
    hint: 'give one of them',
  });
}

/** Options that need a session, and how they are written. */
const needSession: ReadonlyArray<[keyof RunOptions, string]> = [
  ['detach', '--detach'],
  ['id', '--id'],
  ['idleTimeout', '--idle-timeout'],
  ['interactive', '-i'],
  ['killAfter', '--kill-after'],
  ['onHangup', '--on-hangup'],
  ['tty', '-t'],
];

/** Throws ERR_UNSUPPORTED for an option that the base protocol cannot do. */
function requireNoSessionOption({ name }: BuildletClient, options: RunOptions): void {
  const [, option] = needSession.find(([key]) => options[key]) ?? [];
  if (option !== undefined) {
    throw new GomoteError('ERR_UNSUPPORTED', `${name} has no sessions, which ${option} needs`, {
      hint: `leave ${option} out, or run a newer buildlet there`,
    });
  }
}
