// What a relay passes on in another form than it came.
import type { ClientRequest, IncomingMessage } from 'node:http';
import { sendBody } from '../client/request.ts';
import { flowing } from './flowing.ts';

export interface RelayChange {
  /** Headers of the request in place of those that it has. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What is sent in place of the request's body, whose length is not known. */
  readonly body?: (body: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>;
  /** More headers of the reply, as a flat list of names and values. */
  readonly replyHeaders?: readonly string[];
}

/** The headers, a flat list of names and values, with those of the change. */
export function changedHeaders(flat: readonly string[], change: RelayChange | undefined): string[] {
  if (change === undefined) return [...flat];
  const headers = Object.entries(change.headers ?? {});
  const left = new Set(headers.map(([name]) => name.toLowerCase()));
  if (change.body !== undefined) left.add('content-length');
  const kept = flat.filter((_, at) => !left.has(flat[at - (at % 2)]?.toLowerCase() ?? ''));
  return [...kept, ...headers.flat()];
}

/** Sends the request's body changed; whatever breaks it shows at the reply. */
export const sendChanged = (
  incoming: IncomingMessage,
  onward: ClientRequest,
  onBytes: (bytes: number) => void,
  change: NonNullable<RelayChange['body']>,
): void => sendBody(onward, change(counted(incoming, onBytes)));

async function* counted(
  incoming: IncomingMessage,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of flowing(incoming)) {
      onBytes(piece.length);
      yield piece;
    }
  } finally {
    // The rest of an unwanted body is read: the client may have sent all of it, and use the connection again.
    incoming.resume();
  }
}
