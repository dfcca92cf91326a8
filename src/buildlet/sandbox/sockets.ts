// Sockets inside a sandbox: its process creates them, and hands over the connections.
import type { Socket } from 'node:net';
import { GomoteError } from '../../errors.ts';
import type { CommandSockets } from '../command/sockets.ts';
import type { Sandbox } from './sandbox.ts';

export const sandboxSockets = (opened: () => Promise<Sandbox>): CommandSockets => ({
  connect: async (target) => {
    const sandbox = await opened();
    const id = sandbox.nextId();
    const answer = await sandbox.ask(id, { connect: { id, target } });
    if (answer !== undefined && 'connected' in answer && answer.socket !== undefined) {
      return halfOpen(answer.socket);
    }
    throw refusal(answer);
  },
  listen: async (target, onSocket) => {
    const sandbox = await opened();
    const id = sandbox.nextId();
    const close = sandbox.onAccepted(id, (socket) => onSocket(halfOpen(socket)));
    const answer = await sandbox.ask(id, { listen: { id, target } });
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
