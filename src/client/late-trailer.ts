// The trailer of a reply: from its end or, where a proxy dropped it, by another request.
import { isStatus } from '../errors.ts';
import type { HttpResponse } from '../http/client/request.ts';
import { endpoints, lateTrailerHeader, replyIdHeader } from '../protocol/endpoints.ts';
import { withQuery } from '../protocol/form.ts';
import type { Connection } from './connection.ts';
import { randomId } from './random-id.ts';

/** Request headers by which the trailer of the reply can be requested later. */
export const namedReply = (): Record<string, string> => ({ [replyIdHeader]: randomId() });

interface TrailerOptions {
  readonly name: string;
  /** Those of the request, with {@link namedReply}. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** Whether the reply's head announces the trailer, in either way. */
export const isPromised = ({ headers }: HttpResponse, name: string): boolean =>
  [headers.trailer, headers[lateTrailerHeader.toLowerCase()]].some(
    (promised) => String(promised ?? '').toLowerCase() === name.toLowerCase(),
  );

/**
 * The trailer, once the body has ended. Undefined: none was announced. Empty: it did not arrive and cannot be requested
 * either, for example because the reply was truncated.
 */
export async function trailerOf(
  connection: Connection,
  reply: HttpResponse,
  { name, headers, signal }: TrailerOptions,
): Promise<string | undefined> {
  const value = reply.trailers[name.toLowerCase()];
  if (value !== undefined || !isPromised(reply, name)) return value;
  if (reply.headers[lateTrailerHeader.toLowerCase()] === undefined) return '';
  const path = withQuery(endpoints.trailer.path, { id: headers[replyIdHeader] });
  try {
    return await connection.callText({ method: 'GET', path, signal, heartbeat: false });
  } catch (error) {
    // The buildlet has not reached the end of that reply.
    if (isStatus(error, 400)) return '';
    throw error;
  }
}

/** The possible states of a trailer. */
export const lostTrailerHint =
  'the reply was cut, or a proxy on the way drops trailers: let it pass HTTP/1.1 with trailers, or TCP';
