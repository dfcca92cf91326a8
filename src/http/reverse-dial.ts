// Dials a server and upgrades the connection to another protocol, once the server has shown who it is.
import { request } from 'node:http';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { GomoteError, messageOf, StatusError } from '../errors.ts';
import { pinCheck } from './pin.ts';

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

export interface Upgraded {
  readonly socket: Socket;
  /** What the server sent together with its consent. */
  readonly head: Buffer;
}

/** How long the connection and the server's consent may take, in ms. */
const upgradeTimeoutMs = 20_000;

/** How much of a refusal is read, in bytes. */
const refusalLimitBytes = 4_096;

/**
 * Fails with ERR_CONNECT when the server cannot be reached, ERR_CERTIFICATE when it is another one (before any
 * header was sent), and StatusError when it refuses.
 */
export async function dialUpgrade(call: UpgradeRequest): Promise<Upgraded> {
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
): Promise<Upgraded> {
  return new Promise((resolve, reject) => {
    const asking = request({
      createConnection: () => socket,
      path,
      headers: { Host: url.host, ...headers, Connection: 'Upgrade', Upgrade: protocol },
      signal,
    });
    asking.once('error', (error) => reject(connectError(url, error)));
    asking.once('upgrade', (_reply, _socket, head) => resolve({ socket, head }));
    asking.once('response', (reply) => {
      let text = '';
      reply.setEncoding('utf8').on('data', (chunk: string) => {
        text = (text + chunk).slice(0, refusalLimitBytes);
      });
      const refuse = () => {
        const status = reply.statusCode ?? 0;
        const line = text.trim().split('\n', 1)[0] ?? '';
        const why = line === '' ? `status ${status}` : line;
        reject(new StatusError(status, line, `${url.host} refused: ${why}`));
      };
      reply.once('end', refuse).once('error', refuse);
    });
    asking.end();
  });
}

function connectError(url: URL, error: Error): GomoteError {
  if (error instanceof GomoteError) return error;
  return new GomoteError('ERR_CONNECT', `cannot reach ${url.host}: ${messageOf(error)}`, {
    cause: error,
  });
}
