// Opens connections for a relay. Connections without TLS are read in large chunks.
import type { Duplex } from 'node:stream';
import { openSocket } from '../client/open-socket.ts';
import type { ServerAddress } from '../client/server-address.ts';
import { BulkSocket } from './bulk-socket.ts';

/** The time limit for connecting, in ms. */
const connectTimeoutMs = 10_000;

/** Like `openSocket`, with a `BulkSocket` where the address allows it. */
export async function openBulk(address: ServerAddress, signal?: AbortSignal): Promise<Duplex> {
  if (address.kind === 'unix')
    return await BulkSocket.connect({ path: address.path }, connectTimeoutMs);
  const url = address.kind === 'tcp' ? new URL(address.origin) : undefined;
  if (url?.protocol !== 'http:') return await openSocket(address, signal);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return await BulkSocket.connect({ host, port: Number(url.port || 80) }, connectTimeoutMs);
}
