// A program: the process in a sandbox that starts the commands of a buildlet, which is outside and has the secrets.
import { closeSync, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import { messageOf } from '../../errors.ts';
import { connectTo, type Listening, listenAt } from '../../files/target-sockets.ts';
import { formatTarget, type SocketTarget } from '../../protocol/forward.ts';
import type { SandboxRequest, SentReport, StartRequest } from '../../protocol/sandbox.ts';
import { alreadyClosed } from '../command/closed-network.ts';
import {
  type CommandContext,
  type CommandProcess,
  markPrefix,
  type PreparedCommand,
  prepareCommand,
  spawnCommand,
  startInOrder,
} from '../command/command.ts';
import { listeningPorts } from '../command/listening-ports.ts';
import { endProcesses } from '../command/process-sweep.ts';
import { spawnTerminalCommand } from '../command/terminal-command.ts';

const running = new Map<number, CommandProcess>();
const listeners = new Map<number, Listening>();
let context: CommandContext | undefined;

const report = (message: SentReport, socket?: Socket) => process.send?.(message, socket);

// The buildlet is gone: so is the sandbox, which ends with this process.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('message', (message: SandboxRequest) => void handle(message));

async function handle(message: SandboxRequest): Promise<void> {
  if ('setup' in message) {
    // Commands that ask for no network are started in a sandbox without one.
    context = { ...message.setup, network: { close: alreadyClosed, isClosed: false } };
  } else if ('start' in message) {
    await start(message.start);
  } else if ('end' in message) {
    await running.get(message.end.run)?.end(message.end.graceMs);
    report({ id: message.end.id, done: true });
  } else if ('endAll' in message) {
    const workDir = context?.workDir ?? '';
    await endProcesses({ markPrefix: markPrefix(workDir) }, message.endAll.graceMs);
    report({ id: message.endAll.id, done: true });
  } else if ('connect' in message) {
    const { id, target } = message.connect;
    await connectTo(target).then(
      (socket) => report({ id, connected: true }, socket),
      (error: unknown) => report({ id, refused: messageOf(error) }),
    );
  } else if ('listen' in message) {
    await listen(message.listen.id, message.listen.target);
  } else if ('unlisten' in message) {
    listeners.get(message.unlisten.id)?.close();
    listeners.delete(message.unlisten.id);
  } else if ('ports' in message) {
    const { id } = message.ports;
    report({ id, ports: await listeningPorts(markPrefix(context?.workDir ?? '')) });
  } else if ('signal' in message) {
    await running.get(message.signal.run)?.signal(message.signal.name);
  } else {
    const { run, columns, rows } = message.resize;
    running.get(run)?.resize?.(columns, rows);
  }
}

async function listen(id: number, target: SocketTarget): Promise<void> {
  try {
    const accept = (socket: Socket) => report({ id, accepted: true }, socket);
    const listening = await listenAt(target, accept);
    listeners.set(id, listening);
    report({ id, listening: formatTarget(listening.at) });
  } catch (error) {
    report({ id, refused: messageOf(error) });
  }
}

async function start(message: StartRequest): Promise<void> {
  const { id } = message;
  try {
    if (context === undefined) throw new Error('no setup');
    const prepared = await prepareCommand(message.request, context);
    const command =
      'notStarted' in prepared ? prepared : await startInOrder(() => spawnOn(prepared, message));
    if ('notStarted' in command) {
      report({ id, notStarted: command.notStarted });
      return;
    }
    running.set(id, command);
    const debugLine =
      message.request.debug && !('notStarted' in prepared) ? prepared.debugLine : '';
    report({ id, started: true, debugLine });
    report({ id, exited: await command.exited });
    forgetAfter(id);
  } catch (error) {
    report({ id, notStarted: messageOf(error) });
  }
}

/** How many finished commands are remembered, so that their remaining processes can be ended. */
const rememberedCommands = 1_000;
const ended: number[] = [];

function forgetAfter(id: number): void {
  ended.push(id);
  if (ended.length > rememberedCommands) running.delete(ended.shift() ?? id);
}

/** Starts the command on the FIFOs of the request. */
async function spawnOn(
  prepared: PreparedCommand,
  { request, stdin, stdout, stderr }: StartRequest,
): Promise<CommandProcess | { notStarted: string }> {
  const opened: number[] = [];
  const open = (name: string, flags: 'r' | 'w'): number => {
    const fd = openSync(name, flags);
    opened.push(fd);
    return fd;
  };
  try {
    const descriptors = {
      stdin: stdin === undefined ? undefined : open(stdin, 'r'),
      stdout: open(stdout, 'w'),
      stderr: open(stderr, 'w'),
    };
    return request.tty === undefined
      ? await spawnCommand(prepared, descriptors)
      : await spawnTerminalCommand(prepared, request.tty, descriptors);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}
