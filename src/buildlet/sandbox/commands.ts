// Commands in a sandbox. A process inside starts them; this end stays outside, with the buildlet's secrets.
import type { Socket } from 'node:net';
import { basename, join } from 'node:path';
import { GomoteError } from '../../errors.ts';
import { makeDirectories } from '../../files/make-directories.ts';
import { parseBool, textOf } from '../../protocol/form.ts';
import { notStarted } from '../../protocol/process-state.ts';
import { closedNetworkVariable } from '../../protocol/session.ts';
import type { CommandRequest, Commands, StartedCommand } from '../command/commands.ts';
import { commandEnvironment } from '../command/environment.ts';
import { type CommandStreams, type PipeStock, withPipes } from '../command/output-pipe.ts';
import type { CommandSockets } from '../command/sockets.ts';
import { pipesPlace } from './bubblewrap.ts';
import { Sandbox, type SandboxOptions } from './sandbox.ts';

type Network = SandboxOptions['view']['network'];

export class SandboxedCommands implements Commands {
  readonly sockets: CommandSockets;
  readonly #options: SandboxOptions;
  readonly #pipes: PipeStock;
  /** Sandboxes by network: commands that ask for no network share a separate one, created for the first of them. */
  readonly #sandboxes = new Map<Network, Promise<Sandbox>>();

  constructor(options: SandboxOptions, pipes: PipeStock) {
    this.#options = options;
    this.#pipes = pipes;
    this.sockets = sandboxSockets(() => this.#sandbox(options.view.network));
  }

  /** Resolves when commands can be started; throws what says why they cannot. */
  async ready(): Promise<void> {
    await this.#sandbox(this.#options.view.network);
  }

  async start(
    request: CommandRequest,
    streams: CommandStreams,
    signal?: AbortSignal,
  ): Promise<StartedCommand | { notStarted: string }> {
    const network = this.#networkFor(request);
    const sandbox = await this.#sandbox(network);
    if (signal?.aborted) return { notStarted: notStarted.left };
    const onTerminal = request.tty !== undefined && { merge: true, stdin: true };
    const args = request.args.map(textOf);
    return await withPipes(
      this.#pipes,
      { ...streams, ...onTerminal },
      async ({ stdin, stdout, stderr }) => {
        const id = sandbox.nextId();
        const exited = sandbox.exitOf(id);
        const start = {
          ...{ id, request: { ...request, args }, stdin: stdin && inside(stdin) },
          ...{ stdout: inside(stdout), stderr: inside(stderr) },
        };
        const answer = await sandbox.ask(() => ({ start }), id);
        if (answer !== undefined && 'notStarted' in answer) return answer;
        return {
          ...controlsIn(sandbox, id, request),
          // The command has ended the sandbox, and itself with it.
          debugLine: answer !== undefined && 'started' in answer ? answer.debugLine : '',
          network: network === 'none' ? network : undefined,
          exited,
        };
      },
    );
  }

  #networkFor(request: CommandRequest): Network {
    const { view, setup } = this.#options;
    const environment = commandEnvironment(setup.environment, request, setup.workDir);
    return parseBool(environment[closedNetworkVariable] ?? null) ? 'none' : view.network;
  }

  /** The sandbox with that network; a new one when a command has ended it. */
  async #sandbox(network: Network): Promise<Sandbox> {
    const first = this.#sandboxes.get(network);
    const known = await first?.catch(() => undefined);
    if (known?.isOver === false) return known;
    // Another command has noticed it meanwhile.
    if (this.#sandboxes.get(network) !== first) return await this.#sandbox(network);
    const opening = openSandbox({ ...this.#options, view: { ...this.#options.view, network } });
    this.#sandboxes.set(network, opening);
    return await opening;
  }

  async ports(): Promise<readonly number[]> {
    const sandbox = await this.#sandbox(this.#options.view.network);
    const answer = await sandbox.ask((id) => ({ ports: { id } }));
    return answer !== undefined && 'ports' in answer ? answer.ports : [];
  }

  async endAll(graceMs: number): Promise<void> {
    await Promise.all(
      [...this.#sandboxes.values()].map(async (opening) => {
        const sandbox = await opening.catch(() => undefined);
        if (graceMs > 0) await sandbox?.ask((id) => ({ endAll: { id, graceMs } }));
        // When its first process ends, the kernel ends all others in it.
        await sandbox?.end();
      }),
    );
  }
}

/** Opens a sandbox over its own directories, which a reset has removed. */
async function openSandbox(options: SandboxOptions): Promise<Sandbox> {
  for (const directory of [options.view.temporary, options.view.home]) {
    makeDirectories(directory, 0o700);
  }
  return await Sandbox.open(options);
}

const inside = ({ name }: { name: string }): string => join(pipesPlace, basename(name));

function controlsIn(
  sandbox: Sandbox,
  run: number,
  { tty }: CommandRequest,
): Pick<StartedCommand, 'end' | 'signal' | 'resize'> {
  return {
    end: async (graceMs) => {
      await sandbox.ask((id) => ({ end: { id, run, graceMs } }));
    },
    signal: async (name) => sandbox.send({ signal: { run, name } }),
    ...(tty !== undefined && {
      resize: (columns: number, rows: number) => sandbox.send({ resize: { run, columns, rows } }),
    }),
  };
}

/** Sockets inside a sandbox: its process creates them, and hands over the connections. */
const sandboxSockets = (opened: () => Promise<Sandbox>): CommandSockets => ({
  connect: async (target) => {
    const sandbox = await opened();
    const answer = await sandbox.ask((id) => ({ connect: { id, target } }));
    if (answer !== undefined && 'connected' in answer && answer.socket !== undefined) {
      return halfOpen(answer.socket);
    }
    throw refusal(answer);
  },
  listen: async (target, onSocket) => {
    const sandbox = await opened();
    const id = sandbox.nextId();
    const close = sandbox.onAccepted(id, (socket) => onSocket(halfOpen(socket)));
    const answer = await sandbox.ask(() => ({ listen: { id, target } }), id);
    if (answer !== undefined && 'listening' in answer) {
      return { at: answer.listening, ended: sandbox.over, close };
    }
    close();
    throw refusal(answer);
  },
});

/** Allows half-open connections again: a handed-over socket loses that setting. */
function halfOpen(socket: Socket): Socket {
  socket.allowHalfOpen = true;
  return socket.setNoDelay(true);
}

const refusal = (answer: object | undefined): GomoteError =>
  new GomoteError(
    'ERR_CONNECT',
    answer !== undefined && 'refused' in answer ? String(answer.refused) : 'the sandbox has ended',
  );
