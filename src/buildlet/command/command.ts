// A running command: its process group, its streams, and how it ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { errnoOf, isGomoteError, messageAndHint } from '../../errors.ts';
import { makeDirectories } from '../../files/make-directories.ts';
import { nodeCommand } from '../../node-command.ts';
import { packageRoot } from '../../package-root.ts';
import type { ExecRequest } from '../../protocol/exec.ts';
import { parseBool, textOf } from '../../protocol/form.ts';
import { errnoText, notStarted } from '../../protocol/process-state.ts';
import {
  type ClosedBy,
  closedNetworkVariable,
  type RunUsage,
  type Subsystem,
} from '../../protocol/session.ts';
import { type CloseNetwork, type NetworkClosing, namespaceOnce } from './closed-network.ts';
import { type CommandLine, commandLine } from './command-bytes.ts';
import { findCommandFile } from './command-file.ts';
import { commandEnvironment, commandVariable, type Environment } from './environment.ts';
import { type CommandStreams, type PipeStock, withPipes } from './output-pipe.ts';
import { endProcesses, type SweepTarget, signalProcesses } from './process-sweep.ts';
import { usageMeter } from './usage-meter.ts';

export interface CommandContext {
  readonly workDir: string;
  readonly environment: Environment;
  /** Words to put before each command: a program that starts it. Default: none. */
  readonly prefix?: readonly string[] | undefined;
  readonly network?: CommandNetwork | undefined;
}

/** How the network of commands is closed. Default: by a namespace, for commands that ask for it. */
export interface CommandNetwork {
  readonly close: CloseNetwork;
  /** Whether it is closed for all of them. */
  readonly isClosed: boolean;
}

export interface CommandHost extends CommandContext {
  readonly pipes: PipeStock;
  /** Creates a control group for a command. Default: none. */
  readonly groups?: (() => CommandGroup) | undefined;
}

/** The control group of one command. */
export interface CommandGroup {
  /** Words before the command, by which it enters the group. */
  readonly enter: readonly string[];
  /** Its resource usage, completed with `known` measurements. */
  usage(sampled: RunUsage | undefined): RunUsage | undefined;
  release(): void;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly usage?: RunUsage | undefined;
}

export interface RunningCommand {
  /** Ends when no process holds it any more. With `merge`, and on a terminal, it includes stderr. */
  readonly stdout: Readable;
  readonly stderr?: Readable | undefined;
  readonly stdin?: Writable | undefined;
  /** Resolves when the command's own process has ended. */
  readonly exited: Promise<Exit>;
  /** Ends all its processes, including those that left its group: TERM, `graceMs` later KILL. */
  end(graceMs: number): Promise<void>;
  signal(name: NodeJS.Signals): Promise<void>;
  resize?(columns: number, rows: number): void;
}

/** The prefix of the marks of all commands in this work directory. */
export const markPrefix = (workDir: string): string => `${workDir}#`;

/** What is known of a command before it runs. */
export interface PreparedCommand {
  readonly file: string;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** Contains the mark by which its processes are found. */
  readonly environment: Environment;
  readonly mark: string;
  /** How its network access is blocked; absent: it is not. */
  readonly network?: ClosedBy | undefined;
  /** Printed before the output when the request asks for `debug`. */
  readonly debugLine: string;
}

/** Finds what to run, or returns the Process-State text that says why it cannot be started. */
export async function prepareCommand(
  request: ExecRequest & { readonly subsystem?: Subsystem | undefined },
  context: CommandContext,
): Promise<PreparedCommand | { notStarted: string }> {
  const { workDir, environment: base, prefix = [], network } = context;
  const environment = commandEnvironment(base, request, workDir);
  const words = request.subsystem === undefined ? request : { ...request, ...ownProgram() };
  const found = findCommandFile(words, workDir, [environment.PATH, base.PATH]);
  if ('notStarted' in found) return found;
  const { file, name, directory } = found;
  const isClosed = network?.isClosed || parseBool(environment[closedNetworkVariable] ?? null);
  const closing = isClosed ? await closeNetwork(network?.close) : undefined;
  if (closing !== undefined && 'notStarted' in closing) return closing;
  const mark = markPrefix(workDir) + randomBytes(8).toString('hex');
  makeTemporary(context);
  // make and others trust this variable: it must never be another directory.
  if (environment.PWD !== undefined) environment.PWD = directory;
  const args = words.args.map(textOf);
  const marked = { ...environment, [commandVariable]: mark };
  return {
    ...commandLine(
      withPrefix([...prefix, ...(closing?.words ?? [])], {
        file,
        argv0: name,
        args,
        environment: marked,
        directory,
      }),
    ),
    mark,
    network: closing?.by,
    debugLine: debugLine(file, [name, ...args], environment, directory),
  };
}

/** The sftp server, which comes with the buildlet and runs like any other command. */
function ownProgram(): Pick<ExecRequest, 'cmd' | 'args' | 'systemLevel'> {
  const { file, args } = nodeCommand();
  const program = join(packageRoot, 'dist', 'sftp-server.cjs');
  return { cmd: file, args: [...args, program], systemLevel: true };
}

const closeByNamespace = namespaceOnce();

async function closeNetwork(
  close: CloseNetwork = closeByNamespace,
): Promise<NetworkClosing | { notStarted: string }> {
  try {
    return await close();
  } catch (error) {
    if (!isGomoteError(error)) throw error;
    return { notStarted: messageAndHint(error) };
  }
}

function withPrefix([file, ...words]: readonly string[], command: CommandLine): CommandLine {
  if (file === undefined) return command;
  return { ...command, file, argv0: file, args: [...words, command.file, ...command.args] };
}

/** An earlier command may have removed the directory for temporary files. */
function makeTemporary({ environment: { TMPDIR } }: CommandContext): void {
  if (TMPDIR !== undefined) makeDirectories(TMPDIR, 0o700);
}

/**
 * Starts the command in turn, or returns the Process-State text that says why it did not start. A command that nobody
 * waits for any more, because `signal` has aborted, is not started.
 */
export async function startCommand(
  command: PreparedCommand,
  host: CommandHost,
  streams: CommandStreams,
  signal?: AbortSignal,
): Promise<RunningCommand | { notStarted: string }> {
  return await startInOrder(async () =>
    signal?.aborted ? { notStarted: notStarted.left } : await startNow(command, host, streams),
  );
}

async function startNow(
  command: PreparedCommand,
  host: CommandHost,
  streams: CommandStreams,
): Promise<RunningCommand | { notStarted: string }> {
  return await withPipes(host.pipes, streams, ({ stdin, stdout, stderr }) =>
    spawnCommand(command, {
      stdin: stdin?.readFd,
      stdout: stdout.writeFd,
      stderr: stderr.writeFd,
    }),
  ).catch((error: unknown) => whyNotStarted(command, error));
}

/** An error of the system means that the command could not start; anything else is a bug here. */
function whyNotStarted({ file }: PreparedCommand, error: unknown): { notStarted: string } {
  const code = errnoOf(error);
  if (code === undefined || isGomoteError(error)) throw error;
  return { notStarted: notStarted.exec(file, errnoText(code)) };
}

/** A command's process, without its streams. */
export type CommandProcess = Pick<RunningCommand, 'exited' | 'end' | 'signal' | 'resize'>;

/** Descriptors that a command gets; without stdin it gets /dev/null. */
export interface CommandDescriptors {
  readonly stdin: number | undefined;
  readonly stdout: number;
  readonly stderr: number;
}

/** Starts the command's process, or returns the Process-State text that says why it did not start. */
export async function spawnCommand(
  command: PreparedCommand,
  { stdin, stdout, stderr }: CommandDescriptors,
): Promise<CommandProcess | { notStarted: string }> {
  try {
    const child: ChildProcess = spawn(command.file, command.args, {
      argv0: command.argv0,
      cwd: command.directory,
      env: command.environment,
      // Its own session and process group, so that it can be ended as a whole.
      detached: true,
      stdio: [stdin ?? 'ignore', stdout, stderr],
    });
    const exit = endOf(child);
    await started(child);
    const usage = usageMeter.watch(child.pid);
    const exited = exit.then(async (how) => ({ ...how, usage: await usage() }));
    return { exited, ...controlsOf({ groupId: child.pid, markPrefix: command.mark }) };
  } catch (error) {
    return whyNotStarted(command, error);
  }
}

/** Ends and signals the processes of a command. */
const controlsOf = (target: SweepTarget): Pick<RunningCommand, 'end' | 'signal'> => ({
  end: (graceMs) => endProcesses(target, graceMs),
  signal: (name) => signalProcesses(target, name),
});

const started = (child: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    child.once('spawn', resolve).once('error', reject);
  });

const endOf = (child: ChildProcess): Promise<Exit> =>
  new Promise((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });

function debugLine(
  file: string,
  args: readonly string[],
  environment: Environment,
  directory: string,
): string {
  const quote = (texts: readonly string[]) => `[${texts.map((t) => JSON.stringify(t)).join(' ')}]`;
  const pairs = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return `:: Running ${file} with args ${quote(args)} and env ${quote(pairs)} in dir ${directory}\n\n`;
}

// Starting a process blocks Node's thread for some milliseconds: with many at once, the clients would wait for the headers of their
// replies until the last has been started.
let last: Promise<unknown> = Promise.resolve();

/** Starts a command after those before it, and after other pending work. */
export async function startInOrder<T>(start: () => Promise<T>): Promise<T> {
  const turn = last.then(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    return await start();
  });
  last = turn.catch(() => undefined);
  return await turn;
}
