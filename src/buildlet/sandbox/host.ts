// A program: the process in a sandbox that starts the commands of a buildlet, which is outside and has the secrets.
import { closeSync, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import { messageOf } from '../../errors.ts';
import { connectTo, type Listening, listenAt } from '../../files/target-sockets.ts';
import { formatTarget, type SocketTarget } from '../../protocol/forward.ts';
import type { SandboxOrder, SentReport, StartOrder } from '../../protocol/sandbox.ts';
import { alreadyClosed } from '../command/closed-network.ts';
import {
  type CommandProcess,
  type CommandSurroundings,
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
let surroundings: CommandSurroundings | undefined;

const report = (message: SentReport, socket?: Socket) => process.send?.(message, socket);

// The buildlet is gone: so is the sandbox, which ends with this process.
process.once('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('message', (order: SandboxOrder) => void handle(order));

async function handle(order: SandboxOrder): Promise<void> {
  if ('setup' in order) {
    // Commands that ask for no network are started in a sandbox without one.
    surroundings = { ...order.setup, network: { close: alreadyClosed, isClosed: false } };
  } else if ('start' in order) {
    await start(order.start);
  } else if ('end' in order) {
    await running.get(order.end.run)?.end(order.end.graceMs);
    report({ id: order.end.id, done: true });
  } else if ('endAll' in order) {
    const workDir = surroundings?.workDir ?? '';
    await endProcesses({ markPrefix: markPrefix(workDir) }, order.endAll.graceMs);
    report({ id: order.endAll.id, done: true });
  } else if ('connect' in order) {
    const { id, target } = order.connect;
    await connectTo(target).then(
      (socket) => report({ id, connected: true }, socket),
      (error: unknown) => report({ id, refused: messageOf(error) }),
    );
  } else if ('listen' in order) {
    await listen(order.listen.id, order.listen.target);
  } else if ('unlisten' in order) {
    listeners.get(order.unlisten.id)?.close();
    listeners.delete(order.unlisten.id);
  } else if ('ports' in order) {
    const { id } = order.ports;
    report({ id, ports: await listeningPorts(markPrefix(surroundings?.workDir ?? '')) });
  } else if ('signal' in order) {
    await running.get(order.signal.run)?.signal(order.signal.name);
  } else {
    const { run, columns, rows } = order.resize;
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

async function start(order: StartOrder): Promise<void> {
  const { id } = order;
  try {
    if (surroundings === undefined) throw new Error('no setup');
    const prepared = await prepareCommand(order.request, surroundings);
    const command =
      'notStarted' in prepared ? prepared : await startInOrder(() => spawnOn(prepared, order));
    if ('notStarted' in command) {
      report({ id, notStarted: command.notStarted });
      return;
    }
    running.set(id, command);
    const debugLine = order.request.debug && !('notStarted' in prepared) ? prepared.debugLine : '';
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
  { request, stdin, stdout, stderr }: StartOrder,
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
