// How a request asks a store: for a head by its digest, which may come as well.
import { GomoteError } from '../errors.ts';
import { askedHeadBytes } from '../protocol/stored.ts';
import type { Compression } from '../protocol/transfer.ts';
import { decodeKnownHead, encodeKnownHead, type KnownHead } from '../protocol/tree-change.ts';
import { unpackPieces } from '../tar/pack-pieces.ts';

/** Which head it is. Throws ERR_REQUEST. */
export function askedHead(query: URLSearchParams): KnownHead {
  const [digest = '', size = NaN] = [query.get('head') ?? '', Number(query.get('size') ?? NaN)];
  const head = decodeKnownHead(encodeKnownHead({ digest, size }));
  if (head !== undefined && head.size > 0 && head.size <= askedHeadBytes) return head;
  throw new GomoteError('ERR_REQUEST', 'bogus head');
}

/** The head, if it comes, unpacked. Throws ERR_REQUEST for more than it may be. */
export async function* headPieces(
  body: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of unpackPieces(body, compression)) {
    bytes += piece.length;
    if (bytes > askedHeadBytes) throw new GomoteError('ERR_REQUEST', 'the head is too large');
    yield piece;
  }
}
