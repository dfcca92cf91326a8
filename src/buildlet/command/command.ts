// One running command: its process group, its streams, how it ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { errnoOf, isGomoteError } from '../../errors.ts';
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
import { startInOrder } from './start-turns.ts';
import { usageMeter } from './usage-meter.ts';

export interface CommandSurroundings {
  readonly workDir: string;
  readonly environment: Environment;
  /** Words before each command, by which another program starts it in its place. Default: none. */
  readonly prefix?: readonly string[] | undefined;
  readonly network?: CommandNetwork | undefined;
}

/** How the network of commands is closed. Default: by a namespace, for those that ask for it. */
export interface CommandNetwork {
  readonly close: CloseNetwork;
  /** Whether it is closed for all of them. */
  readonly isClosed: boolean;
}

export interface CommandHost extends CommandSurroundings {
  readonly pipes: PipeStock;
  /** Makes a control group for one command. Default: it gets none. */
  readonly groups?: (() => CommandGroup) | undefined;
}

/** The control group of one command. */
export interface CommandGroup {
  /** Words before the command, by which it enters the group. */
  readonly enter: readonly string[];
  /** What it used, given what is known of it otherwise. */
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
  /** Ends when no process holds it any more; with `merge`, and on a terminal, it is stderr too. */
  readonly stdout: Readable;
  readonly stderr?: Readable | undefined;
  readonly stdin?: Writable | undefined;
  /** Resolves when the command's own process has ended. */
  readonly exited: Promise<Exit>;
  /** Ends all its processes, also those that left its group: TERM, `graceMs` later KILL. */
  end(graceMs: number): Promise<void>;
  /** Sends a signal to its process group. */
  signal(name: NodeJS.Signals): Promise<void>;
  /** Of a command on a terminal: the terminal has another size. */
  resize?(columns: number, rows: number): void;
}

/** Begins every mark of the commands run in this work directory. */
export const markPrefix = (workDir: string): string => `${workDir}#`;

/** What is known of a command before it runs. */
export interface PreparedCommand {
  readonly file: string;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** Holds the mark that its processes are found by. */
  readonly environment: Environment;
  readonly mark: string;
  /** What keeps it off the network; absent: nothing does. */
  readonly network?: ClosedBy | undefined;
  /** Said before the output when the request asks for `debug`. */
  readonly debugLine: string;
}

/** Finds what to run, or gives the Process-State text that says why it cannot be started. */
export async function prepareCommand(
  request: ExecRequest & { readonly subsystem?: Subsystem | undefined },
  surroundings: CommandSurroundings,
): Promise<PreparedCommand | { notStarted: string }> {
  const { workDir, environment: base, prefix = [], network } = surroundings;
  const environment = commandEnvironment(base, request, workDir);
  const words = request.subsystem === undefined ? request : { ...request, ...ownProgram() };
  const found = findCommandFile(words, workDir, [environment.PATH, base.PATH]);
  if ('notStarted' in found) return found;
  const { file, name, directory } = found;
  const isClosed = network?.isClosed || parseBool(environment[closedNetworkVariable] ?? null);
  const closing = isClosed ? await closeNetwork(network?.close) : undefined;
  if (closing !== undefined && 'notStarted' in closing) return closing;
  const mark = markPrefix(workDir) + randomBytes(8).toString('hex');
  makeTemporary(surroundings);
  // Make and others believe it: it must never be the directory of somebody else.
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

/** The sftp server, which the buildlet brings with it: it is a command as any other, with the rights of commands. */
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
    return { notStarted: `${error.message}; ${error.hint}` };
  }
}

function withPrefix([file, ...words]: readonly string[], command: CommandLine): CommandLine {
  if (file === undefined) return command;
  return { ...command, file, argv0: file, args: [...words, command.file, ...command.args] };
}

/** An earlier command may have removed the directory for temporary files. */
function makeTemporary({ environment: { TMPDIR } }: CommandSurroundings): void {
  if (TMPDIR !== undefined) mkdirSync(TMPDIR, { recursive: true, mode: 0o700 });
}

/**
 * Starts the command when it is its turn, or gives the Process-State text that says why it did not start. One that nobody
 * waits for any more, as `signal` tells, is not started.
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

/** What the system has refused keeps the command from being started; everything else is a fault here. */
function whyNotStarted({ file }: PreparedCommand, error: unknown): { notStarted: string } {
  const code = errnoOf(error);
  if (code === undefined || isGomoteError(error)) throw error;
  return { notStarted: notStarted.exec(file, errnoText(code)) };
}

/** A command's process, without what is read from it and written to it. */
export type CommandProcess = Pick<RunningCommand, 'exited' | 'end' | 'signal' | 'resize'>;

/** Descriptors that a command gets; without stdin it gets /dev/null. */
export interface CommandDescriptors {
  readonly stdin: number | undefined;
  readonly stdout: number;
  readonly stderr: number;
}

/** Starts the command's process, or gives the Process-State text that says why it did not start. */
export async function spawnCommand(
  command: PreparedCommand,
  { stdin, stdout, stderr }: CommandDescriptors,
): Promise<CommandProcess | { notStarted: string }> {
  try {
    const child: ChildProcess = spawn(command.file, command.args, {
      argv0: command.argv0,
      cwd: command.directory,
      env: command.environment,
      // A session and process group of its own, so that the whole of it can be ended.
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

/** What ends and signals the processes of a command. */
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
