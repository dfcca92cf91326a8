// One running command on a terminal of its own, which a host process holds.
import { type ChildProcess, type IOType, spawn } from 'node:child_process';
import { join } from 'node:path';
import { nodeCommand } from '../../node-command.ts';
import { packageRoot } from '../../package-root.ts';
import type { TerminalRequest } from '../../protocol/session.ts';
import type {
  CommandDescriptors,
  CommandProcess,
  Exit,
  PreparedCommand,
  RunningCommand,
} from './command.ts';
import { endProcesses, type SweepTarget, signalAll } from './process-sweep.ts';
import type { HostReport, HostRequest } from './terminal-host.ts';

/**
 * Starts the command on a terminal, or returns the Process-State text that says why it did not start. Its output is
 * in `stdout`; `stdin` is its keyboard input, and its end types ^D.
 */
export async function startTerminalCommand(
  command: PreparedCommand,
  size: TerminalRequest,
): Promise<RunningCommand | { notStarted: string }> {
  const host = spawnHost('pipe', 'pipe');
  const { stdin, stdout } = host;
  if (stdin === null || stdout === null) throw new Error('a host without pipes');
  // The host's reports say how it ended.
  stdin.on('error', () => undefined);
  const process = await startOn(host, command, size);
  if ('notStarted' in process) stdout.destroy();
  return 'notStarted' in process ? process : { ...process, stdin, stdout };
}

/** The same over descriptors: input is read from `stdin`, and output is written to `stdout`. */
export const spawnTerminalCommand = (
  command: PreparedCommand,
  size: TerminalRequest,
  { stdin, stdout }: CommandDescriptors,
): Promise<CommandProcess | { notStarted: string }> =>
  startOn(spawnHost(stdin ?? 'ignore', stdout), command, size);

function spawnHost(stdin: IOType | number, stdout: IOType | number): ChildProcess {
  const program = join(packageRoot, 'dist/terminal-host.cjs');
  const { file, args } = nodeCommand();
  return spawn(file, [...args, program], {
    cwd: '/',
    // Neither the buildlet's environment nor its process group is the host's.
    env: {},
    detached: true,
    stdio: [stdin, stdout, 'ignore', 'ipc'],
  });
}

async function startOn(
  host: ChildProcess,
  command: PreparedCommand,
  { term, columns, rows }: TerminalRequest,
): Promise<CommandProcess | { notStarted: string }> {
  const send = (message: HostRequest) => {
    if (host.connected) host.send(message);
  };
  const environment = Object.entries({ ...command.environment, TERM: term });
  send({
    start: {
      file: command.file,
      args: command.args,
      directory: command.directory,
      environment: environment.map(([name, value]) => `${name}=${value}`),
      columns,
      rows,
    },
  });
  const first = await firstReport(host);
  if (first === undefined || !('started' in first)) {
    const reason = first !== undefined && 'notStarted' in first ? first.notStarted : 'host died';
    return { notStarted: reason };
  }
  const target = { groupId: first.started, markPrefix: command.mark };
  return {
    exited: endOf(host, target),
    end: async (graceMs) => {
      // An interactive shell ignores TERM, but ends when its terminal hangs up.
      if (graceMs > 0) await signalAll(target, 'SIGHUP');
      await endProcesses(target, graceMs);
    },
    // The foreground job of a shell has its own process group.
    signal: async (name) => {
      await signalAll(target, name);
    },
    resize: (newColumns, newRows) => send({ resize: { columns: newColumns, rows: newRows } }),
  };
}

/** The host's first report; undefined when it dies without one. */
const firstReport = (host: ChildProcess): Promise<HostReport | undefined> =>
  new Promise((resolve) => {
    host.once('message', (report: HostReport) => resolve(report));
    host.once('error', () => resolve(undefined)).once('disconnect', () => resolve(undefined));
  });

const endOf = (host: ChildProcess, target: SweepTarget): Promise<Exit> =>
  new Promise((resolve) => {
    let isReported = false;
    host.on('message', (report: HostReport) => {
      if (!('exited' in report)) return;
      isReported = true;
      resolve(report.exited);
    });
    // When the host dies, the terminal goes with it, and the outcome of the command is unknown.
    host.once('disconnect', () => {
      if (isReported) return;
      void endProcesses(target, 0).then(() => resolve({ code: null, signal: 'SIGKILL' }));
    });
  });
