// Which contents of a push a store has.
import { hash } from 'node:crypto';
import { GomoteError } from '../errors.ts';
import { nameFromBytes } from '../protocol/name-bytes.ts';
import type { StoredAnswer } from '../protocol/stored.ts';
import { decodeChanges, type KnownHead } from '../protocol/tree-change.ts';
import type { Contents } from '../store/contents.ts';

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
