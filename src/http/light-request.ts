// HTTP requests by Node's own client, which is part of Node and loads in a fraction of undici's time: for commands
// that make few requests.
import { Agent, type IncomingMessage, request as startRequest } from 'node:http';
import type { Readable } from 'node:stream';
import { GomoteError } from '../errors.ts';
import type { HttpReply, HttpRequest, ServerAddress } from './request.ts';

/** Of use to TLS only, but without it Node finds out at length whether the host is an address. */
const noName = { servername: '' };

/** How long a connection may take to be made, in ms. */
const connectTimeoutMs = 10_000;

export interface LightSender {
  /** Resolves with the reply's header; fails with what Node says. */
  send(request: HttpRequest): Promise<HttpReply>;
  destroy(): void;
}

/** A sender to the address; undefined when it is one that needs more than a connection to it. */
export async function lightSender(address: ServerAddress): Promise<LightSender | undefined> {
  if (address.kind === 'unix') {
    return senderBy(new Agent(keptOpen), { ...noName, socketPath: address.path }, 'buildlet');
  }
  if (address.kind !== 'tcp' || address.proxy !== undefined) return undefined;
  const { host, hostname, port, protocol } = new URL(address.origin);
  const where = {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port || (protocol === 'http:' ? 80 : 443)),
  };
  if (protocol === 'http:') return senderBy(new Agent(keptOpen), { ...noName, ...where }, host);
  const { pinnedCert: certPem, fingerprint } = address;
  if (certPem === undefined && fingerprint === undefined) return undefined;
  const { pinnedAgent } = await import('./light-tls.ts');
  return senderBy(pinnedAgent({ certPem, fingerprint }, where), where, host);
}

const keptOpen = { keepAlive: true, noDelay: true };

const senderBy = (agent: Agent, where: object, host: string): LightSender => ({
  send: (request) => sendOne({ ...where, agent, headers: { Host: host } }, request),
  destroy: () => agent.destroy(),
});

async function sendOne(
  where: { agent: Agent; headers: Record<string, string> },
  { method, path, headers, body, signal, headersTimeoutMs }: HttpRequest,
): Promise<HttpReply> {
  const outgoing = startRequest({ ...where, method, path });
  for (const [name, value] of Object.entries(headers ?? {})) outgoing.setHeader(name, value);
  const abort = () => outgoing.destroy();
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort, { once: true });
  const timers = [
    later(headersTimeoutMs, () => outgoing.destroy(new Error('no reply came in time'))),
    later(connectTimeoutMs, () => {
      if (outgoing.socket?.connecting !== false) outgoing.destroy(new Error('connect timed out'));
    }),
  ];
  const reply = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.once('response', resolve).once('error', reject);
    outgoing.once('close', () => {
      signal?.removeEventListener('abort', abort);
      reject(new Error('the connection was closed'));
    });
  });
  if (typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body);
  else if (body === undefined) outgoing.end();
  else throw new GomoteError('ERR_REQUEST', 'a light request has a body that is whole');
  try {
    const incoming = await reply;
    return {
      statusCode: incoming.statusCode ?? 0,
      headers: incoming.headers,
      body: incoming as Readable,
    };
  } finally {
    for (const timer of timers) clearTimeout(timer);
    // It may still fail while the reply is read, which fails too then.
    outgoing.on('error', () => undefined);
  }
}

const later = (delayMs: number | undefined, act: () => void): NodeJS.Timeout | undefined =>
  delayMs === undefined ? undefined : setTimeout(act, delayMs);
