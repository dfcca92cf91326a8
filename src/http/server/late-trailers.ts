// Trailers of replies: sent after the body, and kept for a while for clients whose proxy drops them.
import type { ServerResponse } from 'node:http';
import { GomoteError } from '../../errors.ts';
import { setNewest } from '../../newest.ts';
import { isReplyId, lateTrailerHeader, replyIdHeader } from '../../protocol/endpoints.ts';
import { sendText } from './reply.ts';
import type { Handler } from './server.ts';

/** How many are kept, and how long, in ms. */
const keptCount = 1_000;
const keptMs = 10 * 60_000;

export class LateTrailers {
  /** The oldest first. */
  readonly #kept = new Map<string, { readonly value: string; readonly untilAtMs: number }>();

  /** Announces a trailer in the reply's head. The returned function sends it, before the reply ends. */
  announce(response: ServerResponse, name: string): (value: string) => void {
    const { req: request } = response;
    const hasTrailers = request.httpVersion !== '1.0';
    if (hasTrailers) response.setHeader('Trailer', name);
    const id = String(request.headers[replyIdHeader.toLowerCase()] ?? '');
    if (isReplyId(id)) response.setHeader(lateTrailerHeader, name);
    return (value) => {
      if (hasTrailers) response.addTrailers({ [name]: value });
      if (!isReplyId(id)) return;
      setNewest(this.#kept, id, { value, untilAtMs: performance.now() + keptMs }, keptCount);
    };
  }

  /** Answers `GET /trailer?id=ID`. */
  readonly handle: Handler = ({ response, query }) => {
    const found = this.#kept.get(query.get('id') ?? '');
    if (found === undefined || found.untilAtMs < performance.now()) {
      throw new GomoteError('ERR_REQUEST', 'no trailer of that reply is known');
    }
    sendText(response, found.value);
  };
}
