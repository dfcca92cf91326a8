// TLS connections through an HTTP proxy: CONNECT first, then TLS inside, so that the proxy sees nothing.
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { buildConnector } from 'undici';
import { GomoteError, messageOf } from '../errors.ts';

/** How long the proxy may take to connect, in ms, and the most it may say until then, in bytes. */
const connectTimeoutMs = 15_000;
const headLimitBytes = 16 << 10;

/** A connector that goes through the proxy at the URL, and makes TLS as the given one does. */
export function throughProxy(
  proxy: string,
  connect: buildConnector.connector,
): buildConnector.connector {
  return (options, callback) => {
    const target = `${options.hostname}:${options.port || 443}`;
    tunnel(new URL(proxy), target).then(
      (httpSocket) => connect({ ...options, httpSocket }, callback),
      (error: unknown) => {
        const { host } = new URL(proxy);
        const message = `proxy ${host} gave no way to ${target}: ${messageOf(error)}`;
        const hint = 'see HTTPS_PROXY and NO_PROXY';
        callback(new GomoteError('ERR_CONNECT', message, { hint, cause: error }), null);
      },
    );
  };
}

async function tunnel(proxy: URL, target: string): Promise<Socket> {
  const isTls = proxy.protocol === 'https:';
  const where = { host: proxy.hostname, port: Number(proxy.port || (isTls ? 443 : 80)) };
  const socket = isTls ? connectTls({ ...where, servername: proxy.hostname }) : connectPlain(where);
  const { username, password } = proxy;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const authorization = `Proxy-Authorization: Basic ${Buffer.from(pair).toString('base64')}\r\n`;
  socket.write(
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${username === '' ? '' : authorization}\r\n`,
  );
  try {
    const head = await replyHead(socket);
    const status = /^HTTP\/1\.[01] ([0-9]{3}[^\r\n]*)/.exec(head)?.[1] ?? 'no HTTP';
    if (!status.startsWith('2')) throw new Error(`it answered ${status}`);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Reads exactly the head of the reply: what follows belongs to TLS. */
function replyHead(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const fail = (error?: Error) => settle(() => reject(error ?? new Error('it closed')));
    const late = setTimeout(() => fail(new Error('no answer in time')), connectTimeoutMs);
    const onReadable = () => {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
        head = Buffer.concat([head, chunk]);
        const end = head.indexOf('\r\n\r\n');
        if (end >= 0) {
          const rest = head.subarray(end + 4);
          return settle(() => {
            if (rest.length > 0) socket.unshift(rest);
            resolve(head.toString('latin1', 0, end));
          });
        }
        if (head.length > headLimitBytes) return fail(new Error('its answer has no end'));
      }
    };
    const onEnd = () => fail();
    const settle = (done: () => void) => {
      clearTimeout(late);
      socket.off('readable', onReadable).off('error', fail).off('close', onEnd).off('end', onEnd);
      done();
    };
    socket.on('readable', onReadable).on('error', fail).on('close', onEnd).on('end', onEnd);
  });
}
