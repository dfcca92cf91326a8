// The contents that a stream says a store has.
import { isGomoteError } from '../errors.ts';
import type { WriteChange } from '../protocol/tree-change.ts';
import type { Contents } from '../store/contents.ts';
import type { TreeSink } from './tree-sink.ts';

/** Larger contents are taken in pieces. */
const wholeBytes = 1 << 20;

/** Gives the sink the content of a file; false when it is not there. */
export function takeStored(
  change: WriteChange,
  store: Contents | undefined,
  sink: TreeSink,
): boolean {
  const { digest, size } = change.entry;
  const content = size <= wholeBytes ? store?.get(digest, size) : undefined;
  const pieces = size > wholeBytes ? store?.read(digest, size) : undefined;
  if (content !== undefined) sink.whole(change, content, digest, true);
  else if (pieces !== undefined) {
    sink.open(change);
    try {
      for (const piece of pieces) sink.content(piece);
      sink.close(digest);
    } catch (error) {
      store?.damaged(digest);
      // What was written of it is gone.
      if (isGomoteError(error, 'ERR_LOST')) return false;
      throw error;
    }
  } else return false;
  return true;
}
