// Connects to a server, verifies it, and upgrades the connection to another protocol.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { errnoOf, GomoteError, messageOf, StatusError } from '../errors.ts';
import { openTcp } from '../http/client/open-socket.ts';
import { proxyReply } from '../http/client/proxy-reply.ts';
import type { Trust } from '../http/client/tls.ts';
import { upgrade } from '../http/client/upgrade.ts';
import { anySignal, timeoutSignal } from '../timeout-signal.ts';
import type { UpgradedSocket } from './reverse-link.ts';

/** How the server is verified: by this certificate only, by these authorities, or by the system's. */
export type ServerTrust = Pick<Trust, 'fingerprint' | 'caPem'>;

interface UpgradeRequest {
  /** Origin: `https://HOST[:PORT]`, or `http://…` without TLS. */
  readonly origin: string;
  readonly path: string;
  /** The protocol asked for. */
  readonly protocol: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly trust: ServerTrust;
  /** The URL of an HTTP proxy to use. */
  readonly proxy?: string | undefined;
  readonly signal: AbortSignal;
}

/** The time limit for connecting and upgrading, in ms. */
const upgradeTimeoutMs = 20_000;

/** How much of a refusal is read, in characters. */
const refusalLimit = 500;

/**
 * Fails with ERR_CONNECT when the server cannot be reached, ERR_CERTIFICATE when it is another one (before any
 * header was sent), and StatusError when it refuses.
 */
export async function dialUpgrade(call: UpgradeRequest): Promise<UpgradedSocket> {
  const signal = anySignal(call.signal, timeoutSignal(upgradeTimeoutMs));
  const { host } = new URL(call.origin);
  let socket: Duplex | undefined;
  try {
    const { origin, proxy, trust } = call;
    socket = await openTcp({ origin, proxy, ...trust }, signal);
    const { path, protocol } = call;
    const headers = { Host: host, ...call.headers };
    const upgraded = await upgrade(socket, { path, headers, protocol, signal });
    if (!('refusal' in upgraded)) return upgraded;
    const text = await readRefusal(upgraded.refusal);
    const status = upgraded.refusal.statusCode ?? 0;
    const byProxy = proxyReply(upgraded.refusal, text);
    const why = byProxy?.what ?? (text === '' ? `status ${status}` : text);
    throw new StatusError(status, text, `${host} refused: ${why}`, { hint: byProxy?.hint });
  } catch (error) {
    socket?.destroy();
    throw connectError(host, signal.aborted ? new Error('no answer in time') : error);
  }
}

/** The first line of a refusal, or what arrived of it. */
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

function connectError(host: string, error: unknown): GomoteError {
  if (error instanceof GomoteError) return error;
  const message = `cannot reach ${host}: ${messageOf(error)}`;
  if (/CERT|SIGNATURE|ALTNAME/.test(errnoOf(error) ?? '')) {
    const hint = 'give the fingerprint that the coordinator prints, or its authority';
    return new GomoteError('ERR_CERTIFICATE', message, { hint, cause: error });
  }
  return new GomoteError('ERR_CONNECT', message, { cause: error });
}
