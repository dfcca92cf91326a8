// Opens a connection to a server: the only place that distinguishes the kinds of addresses.
import { once } from 'node:events';
import { connect as connectPlainly, type NetConnectOpts, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { takeEarlySocket } from './early-socket.ts';
import { readFirst } from './read-first.ts';
import { type ServerAddress, withoutBrackets } from './server-address.ts';
import type { Trust } from './tls.ts';

/** The time limit for connecting, TLS handshake included, in ms. */
const connectTimeoutMs = 10_000;

/** Where a TCP connection goes, and which certificate the server must present. */
interface TcpTarget extends Trust {
  /** `https://HOST[:PORT]`, or `http://…` without TLS. */
  readonly origin: string;
  /** The URL of an HTTP proxy to use. */
  readonly proxy?: string | undefined;
}

/** Makes a connection without TLS. */
type Connect = (options: NetConnectOpts) => Socket;

/**
 * Connects to the address. The caller destroys the result. Fails as the system, TLS or the proxy does, and at once when
 * the signal aborts.
 */
export async function openSocket(
  address: ServerAddress,
  signal?: AbortSignal,
  connect: Connect = connectPlainly,
): Promise<Duplex> {
  if (address.kind === 'dial') return await address.dial(signal);
  if (address.kind === 'unix') {
    const { path } = address;
    return await opened(takeEarlySocket(path) ?? connect({ path }), signal);
  }
  const { pinnedCert: certPem, ...target } = address;
  return await openTcp({ ...target, certPem }, signal, connect);
}

/** Like `openSocket`, for TCP only, optionally with the caller's own certificate authorities. */
export async function openTcp(
  { origin, proxy, ...trust }: TcpTarget,
  signal?: AbortSignal,
  connect: Connect = connectPlainly,
): Promise<Socket> {
  const url = new URL(origin);
  const isTls = url.protocol === 'https:';
  const host = withoutBrackets(url.hostname);
  const port = Number(url.port || (isTls ? 443 : 80));
  const socket =
    proxy === undefined
      ? await opened(
          // What is encrypted is read by TLS itself.
          (isTls ? connectPlainly : connect)({ host, port, noDelay: true, keepAlive: true }),
          signal,
        )
      : await (await import('./proxy-tunnel.ts')).openTunnel(proxy, { host, port }, signal);
  if (!isTls) return socket;
  const { startTls } = await import('./tls.ts');
  return await within(startTls(socket, host, trust), socket, signal);
}

async function opened(connecting: Socket, signal?: AbortSignal): Promise<Socket> {
  const socket = readFirst(connecting);
  // Catches failures while nobody else listens to the socket.
  socket.on('error', () => undefined);
  if (socket.connecting) await within(once(socket, 'connect'), socket, signal);
  return socket;
}

/** Waits for a step of the connection. Destroys the socket when the step fails, takes too long or is aborted. */
async function within<T>(step: Promise<T>, socket: Socket, signal?: AbortSignal): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  let abort: () => void = () => undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    late = setTimeout(() => reject(new Error('connect timed out')), connectTimeoutMs);
  });
  try {
    return await Promise.race([step, timeout]);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
    clearTimeout(late);
  }
}
