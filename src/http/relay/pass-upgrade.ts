// Relays an upgrade request, and then the bytes of both directions.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { GomoteError, messageOf } from '../../errors.ts';
import { breakOff, joinStreams } from '../../files/join-streams.ts';
import { anySignal, timeoutSignal } from '../../timeout-signal.ts';
import { openSocket } from '../client/open-socket.ts';
import type { ServerAddress } from '../client/server-address.ts';
import { type Upgraded, upgrade } from '../client/upgrade.ts';
import { acceptUpgrade, type UpgradableSocket } from '../server/upgrades.ts';
import { proxiedHeaders } from './proxy-headers.ts';

export interface UpgradeExchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly upgrade: UpgradableSocket;
}

interface NextHop {
  readonly address: ServerAddress;
  readonly host: string;
  readonly authorization: string;
  /** The protocol to upgrade to, and the reply headers that are relayed. */
  readonly protocol: string;
  readonly passed: readonly string[];
  /** Aborts the relay, with its reason. */
  readonly signal: AbortSignal;
  /** The time limit for the reply, in ms. Default 30 s. */
  readonly replyMs?: number | undefined;
}

/**
 * Resolves when either end has closed, or with the refusing reply. Fails with ERR_CONNECT while a reply can still be sent,
 * or with the signal's reason.
 */
export async function passUpgrade(
  { request, response, upgrade: { socket, head } }: UpgradeExchange,
  { address, host, authorization, protocol, passed, signal, replyMs = 30_000 }: NextHop,
): Promise<IncomingMessage | undefined> {
  const onward = await openSocket(address, signal);
  onward.on('error', () => undefined);
  try {
    const flat = proxiedHeaders(request, { host, authorization });
    const headers: Record<string, string> = {};
    for (let at = 0; at + 1 < flat.length; at += 2) headers[flat[at] ?? ''] = flat[at + 1] ?? '';
    const path = request.url ?? '/';
    // Without reading, a client that has disconnected would not be noticed.
    const waiting = anySignal(signal, timeoutSignal(replyMs));
    const upgraded = await upgrade(onward, { path, headers, protocol, signal: waiting });
    if ('refusal' in upgraded) return upgraded.refusal;
    acceptUpgrade(response, protocol, passedHeaders(upgraded, passed));
    if (head.length > 0) socket.unshift(head);
    await joined(socket, upgraded, signal);
    return undefined;
  } catch (error) {
    onward.destroy();
    if (signal.aborted) throw signal.reason;
    throw new GomoteError('ERR_CONNECT', messageOf(error), { cause: error });
  }
}

function passedHeaders({ headers }: Upgraded, passed: readonly string[]): Record<string, string> {
  const found = passed.map((name) => [name, headers[name.toLowerCase()]] as const);
  return Object.fromEntries(
    found.filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
}

async function joined(
  near: Duplex,
  { socket: far, head }: Upgraded,
  signal: AbortSignal,
): Promise<void> {
  if (head.length > 0) far.unshift(head);
  const cut = () => {
    breakOff(near);
    breakOff(far);
  };
  signal.addEventListener('abort', cut, { once: true });
  if (signal.aborted) cut();
  await joinStreams(near, far);
  signal.removeEventListener('abort', cut);
}
