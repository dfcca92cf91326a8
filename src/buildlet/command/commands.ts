// How a buildlet starts and ends commands: directly, or in a sandbox.
import type { ExecRequest } from '../../protocol/exec.ts';
import type { ClosedBy, Subsystem, TerminalRequest } from '../../protocol/session.ts';
import {
  type CommandGroup,
  type CommandHost,
  markPrefix,
  prepareCommand,
  type RunningCommand,
  startCommand,
} from './command.ts';
import { listeningPorts } from './listening-ports.ts';
import type { CommandStreams } from './output-pipe.ts';
import { endProcesses } from './process-sweep.ts';
import { type CommandSockets, openSockets, socketsWithoutNetwork } from './sockets.ts';
import { startTerminalCommand } from './terminal-command.ts';

export interface CommandRequest extends ExecRequest {
  readonly tty?: TerminalRequest | undefined;
  /** Runs in place of the command. */
  readonly subsystem?: Subsystem | undefined;
}

export interface StartedCommand extends RunningCommand {
  /** Printed before the output when the request asks for `debug`. */
  readonly debugLine: string;
  /** How its network access is blocked; absent: it is not. */
  readonly network?: ClosedBy | undefined;
}

export interface Commands {
  /**
   * Starts a command, or returns the Process-State text that says why it did not start. One that nobody waits for any
   * more, because `signal` has aborted, is not started. On a terminal it has both streams, whatever `streams` says.
   */
  start(
    request: CommandRequest,
    streams: CommandStreams,
    signal?: AbortSignal,
  ): Promise<StartedCommand | { notStarted: string }>;
  /** Connects to sockets of commands, and listens for them on behalf of the client. */
  readonly sockets: CommandSockets;
  /** The TCP ports of commands that `sockets` can reach, sorted. */
  ports(): Promise<readonly number[]>;
  /** Ends every process of every command: TERM, `graceMs` later KILL. */
  endAll(graceMs: number): Promise<void>;
}

/** What runs need of the buildlet. */
export interface RunCommands {
  readonly commands: Commands;
  /** How many processes the kernel has killed for lack of memory, where it reports that. */
  countMemoryKills(): number | undefined;
}

/** Commands that run without confinement, as the buildlet's user. */
export class OpenCommands implements Commands {
  readonly sockets: CommandSockets;
  readonly #host: CommandHost;

  constructor(host: CommandHost) {
    this.#host = host;
    this.sockets = host.network?.isClosed ? socketsWithoutNetwork : openSockets;
  }

  async start(
    request: CommandRequest,
    streams: CommandStreams,
    signal?: AbortSignal,
  ): Promise<StartedCommand | { notStarted: string }> {
    const group = this.#host.groups?.();
    const command = await this.#startIn(group, request, streams, signal);
    if ('notStarted' in command) group?.release();
    if ('notStarted' in command || group === undefined) return command;
    const exited = command.exited.then((exit) => {
      const usage = group.usage(exit.usage);
      group.release();
      return { ...exit, usage };
    });
    return { ...command, exited };
  }

  async #startIn(
    group: CommandGroup | undefined,
    request: CommandRequest,
    streams: CommandStreams,
    signal: AbortSignal | undefined,
  ): Promise<StartedCommand | { notStarted: string }> {
    const prefix = [...(group?.enter ?? []), ...(this.#host.prefix ?? [])];
    const prepared = await prepareCommand(request, { ...this.#host, prefix });
    if ('notStarted' in prepared) return prepared;
    const command =
      request.tty === undefined
        ? await startCommand(prepared, this.#host, streams, signal)
        : await startTerminalCommand(prepared, request.tty);
    const { debugLine, network } = prepared;
    return 'notStarted' in command ? command : { ...command, debugLine, network };
  }

  async ports(): Promise<readonly number[]> {
    if (this.#host.network?.isClosed) return [];
    return await listeningPorts(markPrefix(this.#host.workDir));
  }

  async endAll(graceMs: number): Promise<void> {
    await endProcesses({ markPrefix: markPrefix(this.#host.workDir) }, graceMs);
  }
}
