// Dials a server and upgrades the connection to another protocol, once the server has shown who it is.
import { type IncomingMessage, request } from 'node:http';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { GomoteError, messageOf, StatusError } from '../errors.ts';
import { pinCheck } from './pin.ts';
import type { UpgradedSocket } from './reverse-link.ts';

/** How the server is believed: by this certificate alone, by these authorities, or by the system's. */
export interface ServerTrust {
  /** SHA-256 of the one certificate accepted, in lower-case hex. */
  readonly fingerprint?: string | undefined;
  /** Certificates of authorities, PEM, in place of the system's. */
  readonly caPem?: string | undefined;
}

export interface UpgradeRequest {
  /** Origin: `https://HOST[:PORT]`, or `http://…` without TLS. */
  readonly origin: string;
  readonly path: string;
  /** The protocol asked for. */
  readonly protocol: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly trust: ServerTrust;
  readonly signal: AbortSignal;
}

/** How long the connection and the server's consent may take, in ms. */
const upgradeTimeoutMs = 20_000;

/** How much of a refusal is read, in characters. */
const refusalLimit = 500;

/**
 * Fails with ERR_CONNECT when the server cannot be reached, ERR_CERTIFICATE when it is another one (before any
 * header was sent), and StatusError when it refuses.
 */
export async function dialUpgrade(call: UpgradeRequest): Promise<UpgradedSocket> {
  const signal = AbortSignal.any([call.signal, AbortSignal.timeout(upgradeTimeoutMs)]);
  const url = new URL(call.origin);
  const socket = await open(url, call.trust, signal);
  try {
    return await upgrade(url, socket, call, signal);
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function open(url: URL, trust: ServerTrust, signal: AbortSignal): Promise<Socket> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const isTls = url.protocol === 'https:';
  const port = Number(url.port || (isTls ? 443 : 80));
  const socket = isTls
    ? connectTls({ host, port, servername: isIpAddress(host) ? '' : host, ...tlsOptions(trust) })
    : connectPlain({ host, port });
  socket.setNoDelay(true);
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      signal.removeEventListener('abort', abort);
      socket.on('error', () => undefined).destroy();
      reject(connectError(url, error));
    };
    const abort = () => fail(new Error('no answer in time'));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    socket.once('error', fail);
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      const { fingerprint } = trust;
      const wrong =
        isTls && fingerprint !== undefined
          ? pinCheck({ fingerprint })(socket as TLSSocket, url.host)
          : undefined;
      if (wrong !== undefined) return fail(wrong);
      signal.removeEventListener('abort', abort);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

const isIpAddress = (host: string): boolean => /^[0-9.]+$|:/.test(host);

const tlsOptions = ({ fingerprint, caPem }: ServerTrust) =>
  fingerprint === undefined
    ? { minVersion: 'TLSv1.2' as const, ...(caPem !== undefined && { ca: caPem }) }
    : { minVersion: 'TLSv1.2' as const, rejectUnauthorized: false };

function upgrade(
  url: URL,
  socket: Socket,
  { path, protocol, headers }: UpgradeRequest,
  signal: AbortSignal,
): Promise<UpgradedSocket> {
  return new Promise<UpgradedSocket>((resolve, reject) => {
    const asking = request({
      createConnection: () => socket,
      path,
      headers: { Host: url.host, ...headers, Connection: 'Upgrade', Upgrade: protocol },
    });
    // Not as the request's own signal: that would reach the socket after the upgrade too.
    const abort = () => asking.destroy(new Error('no answer in time'));
    signal.addEventListener('abort', abort, { once: true });
    asking.once('close', () => signal.removeEventListener('abort', abort));
    asking.once('error', (error) => reject(connectError(url, error)));
    asking.once('upgrade', (_reply, _socket, head) => resolve({ socket, head }));
    asking.once('response', (reply) => {
      readRefusal(reply).then((text) => {
        const status = reply.statusCode ?? 0;
        const why = text === '' ? `status ${status}` : text;
        reject(new StatusError(status, text, `${url.host} refused: ${why}`));
      }, reject);
    });
    asking.end();
  });
}

/** The first line of a refusal; what comes of it, if it breaks off. */
async function readRefusal(reply: IncomingMessage): Promise<string> {
  let text = '';
  try {
    for await (const chunk of reply.setEncoding('utf8')) {
      text += String(chunk);
      if (text.length > refusalLimit) break;
    }
  } catch {}
  return text.trim().split('\n', 1)[0]?.slice(0, refusalLimit) ?? '';
}

function connectError(url: URL, error: Error): GomoteError {
  if (error instanceof GomoteError) return error;
  return new GomoteError('ERR_CONNECT', `cannot reach ${url.host}: ${messageOf(error)}`, {
    cause: error,
  });
}
