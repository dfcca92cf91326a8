// A connection through an HTTP proxy by CONNECT. TLS is inside, so that the proxy cannot read it.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { request as requestTls } from 'node:https';
import type { Socket } from 'node:net';
import { GomoteError, messageOf } from '../../errors.ts';
import { withoutBrackets } from './server-address.ts';

/** The time limit for the proxy to connect, in ms. */
const connectTimeoutMs = 15_000;

/** Fails with ERR_CONNECT, with the proxy's password removed from the message, and at once when the signal aborts. */
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
    host: withoutBrackets(proxy.hostname),
    port: proxy.port || (isTls ? 443 : 80),
    path: target,
    headers: {
      Host: target,
      ...(proxy.username !== '' && { 'Proxy-Authorization': `Basic ${credentialsOf(proxy)}` }),
    },
    agent: false,
  });
  // Not passed as the request's signal, which would also abort the tunnel.
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
    // Catches failures while nobody else listens to the socket.
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

/** Decodes a part of a URL; a bare `%` is taken literally. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
