// A buildlet's status and the features that it announces; read once for each connection.
import { unlessAborted } from '../errors.ts';
import { readText } from '../http/client/request.ts';
import { endpoints, expiresHeader } from '../protocol/endpoints.ts';
import type { BuildletStatus } from '../protocol/status.ts';
import type { Connection } from './connection.ts';
import { headersLimitMs } from './time-limit.ts';

const asked = new WeakMap<Connection, Promise<BuildletStatus>>();

/** Asks for `/status`. */
export async function readStatus(
  connection: Connection,
  signal: AbortSignal | undefined,
): Promise<BuildletStatus> {
  const { parseStatus } = await import('../protocol/replies.ts');
  const body = await connection.callText({ method: 'GET', path: endpoints.status.path, signal });
  return parseStatus(body) ?? connection.badReply('bad status reply', body);
}

/** Whether the buildlet announces the extension. */
export async function hasFeature(
  connection: Connection,
  feature: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  // One caller who gives up must not fail the others: the request that they share ends with the connection alone.
  const status = asked.get(connection) ?? readStatus(connection, undefined);
  asked.set(connection, status);
  // A failure is not an answer.
  status.catch(() => asked.delete(connection));
  return (await unlessAborted(status, signal)).features.includes(feature);
}

/** Whether it answers at all, and when it will end by itself, if it says so. */
export async function probe(
  connection: Connection,
  callSignal: AbortSignal | undefined,
): Promise<{ expires: Date | undefined }> {
  const { path } = endpoints.liveness;
  const signal = connection.signalWith(callSignal);
  const limits = { headersTimeoutMs: headersLimitMs, heartbeat: false };
  const response = await connection.call({ method: 'GET', path, signal, ...limits });
  await readText(response, signal);
  const expires = response.headers[expiresHeader.toLowerCase()];
  const timeMs = typeof expires === 'string' ? Date.parse(expires) : Number.NaN;
  return { expires: Number.isNaN(timeMs) ? undefined : new Date(timeMs) };
}
