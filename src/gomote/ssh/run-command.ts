// Runs a command of an SSH client on the buildlet.
import { randomBytes } from 'node:crypto';
import { messageAndHint, NotStartedError } from '../../errors.ts';
import { joinStreams } from '../../files/join-streams.ts';
import { printable } from '../../printable.ts';
import { signalByName } from '../../protocol/signals.ts';
import type { SshCommand } from '../../ssh/services.ts';
import { anySignal } from '../../timeout-signal.ts';
import type { Buildlet } from '../buildlet.ts';
import { localStatus } from '../run/ending.ts';
import { loginShell } from '../run/login-shell.ts';
import type { Run, RunResult } from '../run/run.ts';
import { sizeSender } from '../run/size-sender.ts';

type Say = (line: string) => void;

/** The delay between TERM and KILL after the client has disconnected, in ms. */
const killAfterMs = 2_000;

/** The delay before retrying to send the terminal size, in ms. */
const retrySizeMs = 100;

/** The replacement character, in text that was decoded from invalid UTF-8. */
const replacement = '\ufffd';

/**
 * Runs the command to its end, and reports the outcome to the client. Never fails.
 *
 * `signal` aborts when the client disconnects. `hasSessions`: whether commands get input, and a terminal if requested.
 */
export async function runCommand(
  buildlet: Buildlet,
  command: SshCommand,
  { signal, hasSessions }: { readonly signal: AbortSignal; readonly hasSessions: boolean },
): Promise<void> {
  const { channel } = command;
  const gone = new AbortController();
  channel.once('gone', () => gone.abort(new Error('the client has closed the channel')));
  const until = anySignal(signal, gone.signal);
  const say: Say = (line) => {
    // A raw terminal needs a carriage return too.
    const end = command.tty === undefined ? '\n' : '\r\n';
    if (!channel.stderr.destroyed) channel.stderr.write(`gomote: ${printable(line)}${end}`);
  };
  const agent = await openAgent(buildlet, command, until).catch((error: unknown) => {
    say(`no agent on ${buildlet.name}: ${messageAndHint(error)}`);
    return undefined;
  });
  try {
    const words = hasSessions ? wordsOf(command) : wordsForBase(buildlet.name, command, say);
    const run = start(buildlet, command, words, { env: agent?.env ?? [], until, say });
    const end = await run;
    if (end.signal !== undefined) say(`the command ended by ${end.signal}`);
    command.end(endOf(end));
  } catch (error) {
    say(messageAndHint(error));
    command.end(error instanceof NotStartedError ? statusOf(error) : undefined);
  } finally {
    agent?.close();
  }
}

interface Words {
  readonly cmd: string;
  readonly args: readonly string[];
  readonly subsystem?: 'sftp';
  readonly hasInput: boolean;
}

function wordsOf({ wanted }: SshCommand): Words {
  if (wanted.kind === 'subsystem') {
    return { cmd: 'sftp-server', args: [], subsystem: 'sftp', hasInput: true };
  }
  const line = wanted.kind === 'exec' ? wanted.line : '';
  if (line.includes(replacement)) throw new Error('the command is not all UTF-8');
  return { ...loginShell(line), hasInput: true };
}

function wordsForBase(name: string, command: SshCommand, say: Say): Words {
  const { channel, wanted, tty } = command;
  if (wanted.kind !== 'exec') {
    throw new Error(
      `${name} is a buildlet of the Go project, which gives a shell no input: give a command`,
    );
  }
  if (tty !== undefined) say(`${name} is a buildlet of the Go project: it has no terminals`);
  channel.once('data', () => {
    say(`${name} is a buildlet of the Go project: its commands get no input`);
  });
  channel.resume();
  return { ...wordsOf(command), hasInput: false };
}

function start(
  buildlet: Buildlet,
  command: SshCommand,
  { cmd, args, subsystem, hasInput }: Words,
  { env, until, say }: { env: readonly string[]; until: AbortSignal; say: Say },
): Run {
  const { channel } = command;
  const run = buildlet.run(cmd, args, {
    system: true,
    // Relative paths of scp and rsync begin in the work directory.
    dir: '.',
    env: [...command.env, ...env],
    tty: hasInput ? command.tty : undefined,
    subsystem,
    // The command ends with the client, which may still receive its status.
    stdin: hasInput ? channel.iterator({ destroyOnReturn: false }) : undefined,
    stdout: channel,
    stderr: channel.stderr,
    maxBuffer: 0,
    killAfterMs,
    signal: until,
    onLost: (error) => say(`${messageAndHint(error)}; connecting again`),
  });
  command.onSignal = (name) => {
    if (signalByName(name) !== undefined) void run.kill(name).catch(() => undefined);
  };
  command.onResize = sizes(run, until);
  // As for a command that writes to a pipe without a reader; a command that writes nothing is also ended.
  command.onUnread = () => void run.kill('SIGPIPE', { killAfterMs }).catch(() => undefined);
  return run;
}

/** Sends the terminal size until the run has the current one. */
function sizes(run: Run, signal: AbortSignal): SshCommand['onResize'] {
  let size = { columns: 0, rows: 0 };
  const over = new AbortController();
  const end = () => over.abort();
  run.then(end, end);
  const resize = (columns: number, rows: number) => run.resize(columns, rows);
  const send = sizeSender(() => size, resize, {
    ...{ retryMs: retrySizeMs, signal: anySignal(signal, over.signal) },
  });
  return async (columns, rows) => {
    size = { columns, rows };
    await send();
  };
}

function endOf({ exitCode, signal }: RunResult): Parameters<SshCommand['end']>[0] {
  // A client exits with the low byte.
  if (exitCode !== undefined) return localStatus(exitCode);
  return signal === undefined ? undefined : { signal, message: `ended by ${signal}` };
}

const statusOf = ({ reason }: NotStartedError): number => (reason === 'not-found' ? 127 : 126);

interface Agent {
  /** The variable with the path of the socket. */
  readonly env: readonly string[];
  close(): void;
}

/** Undefined when agent forwarding was not requested. */
async function openAgent(
  buildlet: Buildlet,
  { openAgent: connect }: SshCommand,
  signal: AbortSignal,
): Promise<Agent | undefined> {
  if (connect === undefined) return undefined;
  // The path cannot be guessed, and only the user of commands can connect to the socket.
  const path = `/tmp/gomote-agent-${randomBytes(12).toString('hex')}`;
  const { ports } = buildlet.client;
  const listener = await ports.listen(
    { kind: 'unix', path },
    (stream) => {
      stream.on('error', () => undefined);
      connect().then(
        (agent) => joinStreams(stream, agent),
        (error: Error) => stream.destroy(error),
      );
    },
    { signal },
  );
  return { env: [`SSH_AUTH_SOCK=${path}`], close: () => listener.close() };
}
