// The question which contents of a push a store has: a head by its digest, which may come as well.
import { hash } from 'node:crypto';
import { GomoteError } from '../errors.ts';
import { nameFromBytes } from '../protocol/name-bytes.ts';
import { askedHeadBytes, type StoredAnswer } from '../protocol/stored.ts';
import type { Compression } from '../protocol/transfer.ts';
import {
  decodeChanges,
  decodeKnownHead,
  encodeKnownHead,
  type KnownHead,
} from '../protocol/tree-change.ts';
import type { Contents } from '../store/contents.ts';
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

/**
 * Answers for the store, which keeps the head if it comes. `sent` is empty when the head is only named. Throws ERR_REQUEST
 * when it is none.
 */
export function askStore(store: Contents, { digest, size }: KnownHead, sent: Buffer): StoredAnswer {
  const isSent = sent.length > 0;
  if (isSent && hash('sha256', sent, 'hex') !== digest) throw bad('it has another digest');
  const head = isSent ? sent : store.get(digest, size);
  if (head === undefined) return { head: false, isMissing: [] };
  const changes = decodeChanges(nameFromBytes(head));
  if (changes === undefined) throw bad('it cannot be read');
  if (isSent) store.put(digest, head);
  // What is said to be there may be read by another process.
  store.flush();
  const files = changes.flatMap((change) =>
    change.op === 'write' && change.content !== undefined ? change.entry : [],
  );
  const isMissing = files.map((entry) => !store.has(entry.digest, entry.size));
  return { head: store.has(digest, head.length), isMissing };
}

const bad = (why: string): GomoteError => new GomoteError('ERR_REQUEST', `bad head: ${why}`);
