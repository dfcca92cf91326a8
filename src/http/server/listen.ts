// The address that a server listens at: `unix:PATH` or `HOST:PORT`.
import { lstat, unlink } from 'node:fs/promises';
import type { Server } from 'node:http';
import { connect, isIP, type Server as NetServer } from 'node:net';
import { errnoOf, GomoteError, messageOf } from '../../errors.ts';
import { undefinedIfAbsent } from '../../files/if-there.ts';

export type ListenAddress =
  | {
      readonly kind: 'unix';
      readonly path: string;
      /** What listens there already: its connections are the server's, and it is closed with the server. */
      readonly bound?: NetServer | undefined;
    }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** The longest path of a unix socket that every system takes, in bytes; Linux itself takes 107. */
export const socketPathLimitBytes = 103;

/** Parses `unix:PATH`, `HOST:PORT` or `:PORT` (every address of this machine). */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length);
    const sizeBytes = Buffer.byteLength(path);
    if (path === '' || sizeBytes > 107) {
      throw new GomoteError(
        'ERR_USAGE',
        `cannot listen on "${text}": a unix socket's path has 1 to 107 bytes, not ${sizeBytes}`,
        { hint: 'choose a shorter directory' },
      );
    }
    return { kind: 'unix', path };
  }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    throw new GomoteError('ERR_USAGE', `cannot listen on "${text}"`, {
      hint: 'give unix:PATH or HOST:PORT, such as 127.0.0.1:5936',
    });
  }
  return { kind: 'tcp', host: match[1] ?? match[2] ?? '', port };
}

/** What listens at the address already. */
export const boundAt = (address: ListenAddress | undefined): NetServer | undefined =>
  address?.kind === 'unix' ? address.bound : undefined;

/** Whether only this machine can reach the address. */
export function isLoopback(address: ListenAddress): boolean {
  if (address.kind === 'unix' || address.host === 'localhost') return true;
  return isIP(address.host) === 4 ? address.host.startsWith('127.') : address.host === '::1';
}

/** Makes the server listen. Resolves with the address as text, with the actual port. */
export async function listen(server: Server | NetServer, address: ListenAddress): Promise<string> {
  const bound = boundAt(address);
  if (address.kind === 'unix' && bound === undefined) await removeStaleSocket(address.path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(cannotListen(error));
    });
    const ready = () => resolve();
    if (bound !== undefined) {
      bound.on('connection', (socket) => server.emit('connection', socket));
      // From then on it knows its connections, so that closing can end them.
      server.emit('listening');
      ready();
    } else if (address.kind === 'unix') listenPrivately(server, address.path, ready);
    else server.listen(address.port, address.host === '' ? undefined : address.host, ready);
  });
  server.removeAllListeners('error');
  if (address.kind === 'unix') return `unix:${address.path}`;
  const found = server.address();
  const port = typeof found === 'object' && found !== null ? found.port : address.port;
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`;
}

/** The socket is created inside the call, under this umask, so that it is never open to other users. */
function listenPrivately(server: Server | NetServer, path: string, ready: () => void): void {
  const umask = process.umask(0o177);
  try {
    server.listen(path, ready);
  } finally {
    process.umask(umask);
  }
}

/** Removes a stale socket. One that answers is left alone, and listening fails. */
async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(undefinedIfAbsent);
  if (found?.isSocket() && !(await answers(path))) await unlink(path);
}

const cannotListen = (error: Error): GomoteError =>
  new GomoteError('ERR_CONNECT', `cannot listen: ${messageOf(error)}`, { cause: error });

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // Only a refused connection shows that nobody listens: a full queue or missing permissions do not.
    socket.once('error', (error) => {
      const code = errnoOf(error);
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(false);
      else reject(cannotListen(error));
    });
  });
}
