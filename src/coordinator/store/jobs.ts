// The jobs of the thread that has the coordinator's store.
import type { KnownHead } from '../../protocol/tree-change.ts';

/** A job for the contents of one room. */
export type StoreJob =
  /** How many contents there are. */
  | { readonly kind: 'count'; readonly room: string }
  /** Which contents of a head there are; it reads the head, if that is sent. */
  | ({ readonly kind: 'ask'; readonly room: string } & KnownHead)
  /** Reads a tree stream, and gives it as the machine gets it: to one that `reads` the store itself, as it is. */
  | {
      readonly kind: 'refill';
      readonly room: string;
      readonly reads: boolean;
      /** For the stream of a whole tree: the digest of that which it was begun with, if any. */
      readonly whole: { readonly begunWith: string | undefined } | undefined;
    }
  /** What it has and had: {@link StoreFacts}. */
  | { readonly kind: 'facts' };

export interface StoreFacts {
  /** On disk, in bytes. */
  readonly storedBytes: number;
  /** Contents that were not sent by clients since the start, and the bytes in them. */
  readonly hits: number;
  readonly hitBytes: number;
  /** Contents that were sent. */
  readonly misses: number;
}
