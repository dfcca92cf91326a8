// A connection through an HTTP proxy by CONNECT: TLS goes inside, so that the proxy sees nothing.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { request as requestTls } from 'node:https';
import type { Socket } from 'node:net';
import { GomoteError, messageOf } from '../../errors.ts';

/** How long the proxy may take to connect, in ms. */
const connectTimeoutMs = 15_000;

/** Fails with ERR_CONNECT, in which the proxy is named without its password, and at once when the signal aborts. */
export async function openTunnel(
  proxyUrl: string,
  { host, port }: { readonly host: string; readonly port: number },
  signal?: AbortSignal,
): Promise<Socket> {
  const proxy = new URL(proxyUrl);
  const isTls = proxy.protocol === 'https:';
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const asking = (isTls ? requestTls : request)({
    method: 'CONNECT',
    host: proxy.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: proxy.port || (isTls ? 443 : 80),
    path: target,
    headers: {
      Host: target,
      ...(proxy.username !== '' && { 'Proxy-Authorization': `Basic ${credentialsOf(proxy)}` }),
    },
    agent: false,
  });
  // Not as the request's signal: that would reach the tunnel too.
  const late = setTimeout(() => asking.destroy(new Error('no answer in time')), connectTimeoutMs);
  const abort = () => asking.destroy(signal?.reason);
  signal?.addEventListener('abort', abort);
  try {
    if (signal?.aborted) abort();
    asking.end();
    const [reply, socket, head] = (await once(asking, 'connect')) as [
      IncomingMessage,
      Socket,
      Buffer,
    ];
    // One that fails between two of its users has no listener but this.
    socket.on('error', () => undefined);
    const { statusCode = 0, statusMessage } = reply;
    if (statusCode < 200 || statusCode > 299) {
      socket.destroy();
      throw new Error(`it answered ${statusCode} ${statusMessage}`.trim());
    }
    if (head.length > 0) socket.unshift(head);
    return socket;
  } catch (error) {
    asking.destroy();
    const message = `proxy ${proxy.host} gave no way to ${target}: ${messageOf(error)}`;
    const hint = 'see HTTPS_PROXY and NO_PROXY';
    throw new GomoteError('ERR_CONNECT', message, { hint, cause: error });
  } finally {
    signal?.removeEventListener('abort', abort);
    clearTimeout(late);
  }
}

const credentialsOf = ({ username, password }: URL): string =>
  Buffer.from(`${decoded(username)}:${decoded(password)}`).toString('base64');

/** A part of a URL as it was meant: a bare `%` stands for itself. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
