// The question which contents of a push a store has: a head in which they have digests, and the answer.
import * as v from 'valibot';
import { parseBy, text } from './reply-fields.ts';

/** The header of a reply of `/sync/state` that says that a store on the way has something, so that asking it makes sense. */
export const storeHeader = 'Gomote-Store';

/**
 * The header of a `/sync/apply` or `/sync/prepare` that a coordinator sends to a machine on its own host: the directory of the store, which
 * the machine reads itself.
 */
export const storeAtHeader = 'Gomote-Store-At';

/** A directory of a store, for another process that may see other file systems. */
export interface StoreAt {
  /** Absolute. */
  readonly path: string;
  /** The directory's `fileIdentity`. */
  readonly identity: string;
}

export const formatStoreAt = ({ path, identity }: StoreAt): string =>
  `${identity} ${encodeURIComponent(path)}`;

/** Reads {@link formatStoreAt}; undefined when the text is none. */
export function parseStoreAt(text: string | undefined): StoreAt | undefined {
  const [, identity, encoded = ''] = /^(\d{1,20}:\d{1,20}) (\S{1,8192})$/.exec(text ?? '') ?? [];
  if (identity === undefined) return undefined;
  try {
    return { identity, path: decodeURIComponent(encoded) };
  } catch {
    return undefined;
  }
}

/** Heads that are larger are not asked about: they are not sent in one part either. */
export const askedHeadBytes: number = 16 << 20;

/** JSON beyond this size is not an answer. */
export const storedReplyBytes: number = 1 << 20;

/** Which contents of a push a store has. */
export interface StoredAnswer {
  /** Whether the store has the head, so that the stream need only name it. */
  readonly head: boolean;
  /** Of each file in the head, in order, whether its content must be sent. */
  readonly isMissing: readonly boolean[];
}

const answerSchema = v.object({ head: v.boolean(), missing: text(storedReplyBytes) });

/** A bit for each, the first one the highest of its byte. */
export function formatStored({ head, isMissing }: StoredAnswer): string {
  const bits = Buffer.alloc(Math.ceil(isMissing.length / 8));
  isMissing.forEach((is, index) => {
    if (is) bits[index >> 3] = (bits[index >> 3] ?? 0) | (0x80 >> (index & 7));
  });
  return JSON.stringify({ head, missing: bits.toString('base64') });
}

/** Reads {@link formatStored}, of so many files; undefined when it is none. What the answer does not tell is missing. */
export function parseStored(body: string, files: number): StoredAnswer | undefined {
  const answer = parseBy(answerSchema, body);
  if (answer === undefined) return undefined;
  const bits = Buffer.from(answer.missing, 'base64');
  const isMissing = Array.from(
    { length: files },
    (_, index) => ((bits[index >> 3] ?? 0xff) & (0x80 >> (index & 7))) !== 0,
  );
  return { head: answer.head, isMissing };
}
