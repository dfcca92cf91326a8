// One running command: its process group, its streams, how it ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { errnoOf, isGomoteError } from '../../errors.ts';
import type { ExecRequest } from '../../protocol/exec.ts';
import { textOf } from '../../protocol/form.ts';
import { errnoText, notStarted } from '../../protocol/process-state.ts';
import { commandLine } from './command-bytes.ts';
import { findCommandFile } from './command-file.ts';
import { commandEnvironment, commandVariable, type Environment } from './environment.ts';
import type { InputPipe, OutputPipe, PipeStock } from './output-pipe.ts';
import { endProcesses, type SweepTarget, signalProcesses } from './process-sweep.ts';
import { startInOrder } from './start-turns.ts';

export interface CommandHost {
  readonly workDir: string;
  readonly environment: Environment;
  readonly pipes: PipeStock;
}

/** Which streams a command gets. */
export interface CommandStreams {
  /** Whether stderr goes into the pipe of stdout. */
  readonly merge: boolean;
  /** Whether it gets a pipe to read from; else /dev/null. */
  readonly stdin: boolean;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
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

/** Begins every mark of the commands run in this work dir. */
export const markPrefix = (workDir: string): string => `${workDir}#`;

/** What there is to run, as far as it can be told before it runs. */
export interface PreparedCommand {
  readonly file: string;
  readonly argv0: string;
  readonly args: readonly string[];
  readonly directory: string;
  /** Holds the mark that its processes are found by. */
  readonly environment: Environment;
  readonly mark: string;
  /** Said before the output when the request asks for `debug`. */
  readonly debugLine: string;
}

/** Finds what to run, or gives the Process-State text that says why it cannot be started. */
export async function prepareCommand(
  request: ExecRequest,
  host: CommandHost,
): Promise<PreparedCommand | { notStarted: string }> {
  const { workDir } = host;
  const environment = commandEnvironment(host.environment, request, workDir);
  const found = findCommandFile(request, workDir, [environment.PATH, host.environment.PATH]);
  if ('notStarted' in found) return found;
  const { file, name, directory } = found;
  const mark = markPrefix(workDir) + randomBytes(8).toString('hex');
  makeTemporary(host);
  // Make and others believe it: it must never be the directory of somebody else.
  if (environment.PWD !== undefined) environment.PWD = directory;
  const args = request.args.map(textOf);
  const marked = { ...environment, [commandVariable]: mark };
  return {
    ...commandLine({ file, argv0: name, args, environment: marked, directory }),
    mark,
    debugLine: debugLine(file, [name, ...args], environment, directory),
  };
}

/** An earlier command may have removed the directory for temporary files. */
function makeTemporary({ environment: { TMPDIR } }: CommandHost): void {
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
  const outputs: OutputPipe[] = [];
  const takeOutput = async () => {
    const pipe = await host.pipes.take();
    outputs.push(pipe);
    return pipe;
  };
  let stdin: InputPipe | undefined;
  try {
    const stdout = await takeOutput();
    const stderr = streams.merge ? stdout : await takeOutput();
    stdin = streams.stdin ? await host.pipes.takeInput() : undefined;
    const child: ChildProcess = spawn(command.file, command.args, {
      argv0: command.argv0,
      cwd: command.directory,
      env: command.environment,
      // A session and process group of its own, so that the whole of it can be ended.
      detached: true,
      stdio: [stdin?.readFd ?? 'ignore', stdout.writeFd, stderr.writeFd],
    });
    const exited = endOf(child);
    await started(child);
    return {
      stdout: stdout.reader,
      ...(stderr !== stdout && { stderr: stderr.reader }),
      ...(stdin !== undefined && { stdin: stdin.writer }),
      exited,
      ...controlsOf({ groupId: child.pid, markPrefix: command.mark }),
    };
  } catch (error) {
    for (const { reader } of outputs) reader.destroy();
    stdin?.writer.destroy();
    const code = errnoOf(error);
    if (code === undefined || isGomoteError(error)) throw error;
    return { notStarted: notStarted.exec(command.file, errnoText(code)) };
  } finally {
    for (const { closeWriter } of outputs) closeWriter();
    stdin?.closeReader();
  }
}

/** What ends and signals the processes of a command. */
export const controlsOf = (target: SweepTarget): Pick<RunningCommand, 'end' | 'signal'> => ({
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
