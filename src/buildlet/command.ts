// One running command: its process group, its merged output, how it ended.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { errnoOf } from '../errors.ts';
import type { ExecRequest } from '../protocol/exec.ts';
import { errnoText, formatProcessState, notStarted } from '../protocol/process-state.ts';
import { findCommandFile } from './command-file.ts';
import { commandEnvironment, commandVariable, type Environment } from './environment.ts';
import type { PipeStock } from './output-pipe.ts';
import { endProcesses } from './process-sweep.ts';

export interface CommandHost {
  readonly workDir: string;
  readonly environment: Environment;
  readonly pipes: PipeStock;
}

export interface Command {
  /** stdout and stderr as they were written; ends when no process holds them any more. */
  readonly output: Socket;
  /** The text for Process-State, once the command's own process has ended. */
  readonly ended: Promise<string>;
  /** Said before the output when the request asks for `debug`. */
  readonly debugLine: string;
  /** Ends the whole process group: TERM, `graceMs` later KILL. */
  end(graceMs: number): Promise<void>;
}

/** Begins every mark of the commands run in this work dir. */
export const markPrefix = (workDir: string): string => `${workDir}#`;

/** Starts the command, or gives the Process-State text that says why it cannot be started. */
export async function startCommand(
  request: ExecRequest,
  host: CommandHost,
): Promise<Command | { notStarted: string }> {
  const { workDir } = host;
  const environment = commandEnvironment(host.environment, request, workDir);
  const found = await findCommandFile(request, workDir, [environment.PATH, host.environment.PATH]);
  if ('notStarted' in found) return found;
  const mark = markPrefix(workDir) + randomBytes(8).toString('hex');
  const pipe = await host.pipes.take();
  try {
    const child = spawn(found.file, request.args, {
      argv0: found.name,
      cwd: found.directory,
      env: { ...environment, [commandVariable]: mark },
      // A session and process group of its own, so that the whole of it can be ended.
      detached: true,
      stdio: ['ignore', pipe.writeFd, pipe.writeFd],
    });
    const ended = endOf(child);
    await started(child);
    return {
      output: pipe.reader,
      ended,
      debugLine: debugLine(found.file, [found.name, ...request.args], environment, found.directory),
      end: (graceMs) => endProcesses({ groupId: child.pid, markPrefix: mark }, graceMs),
    };
  } catch (error) {
    pipe.reader.destroy();
    const code = errnoOf(error);
    if (code === undefined) throw error;
    return { notStarted: notStarted.exec(found.file, errnoText(code)) };
  } finally {
    await pipe.closeWriter();
  }
}

const started = (child: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    child.once('spawn', resolve).once('error', reject);
  });

const endOf = (child: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve(formatProcessState(exitCode, signal)));
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
