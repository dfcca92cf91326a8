// A tree sink beside which contents are kept in a store, once their digests have proved them.
import { hash } from 'node:crypto';
import type { WriteChange } from '../protocol/tree-change.ts';
import type { Contents, ContentWriter } from '../store/contents.ts';
import { passingTo, type TreeSink } from './tree-sink.ts';

/** Of a patch, only what is new is in the stream. */
const isWhole = ({ patch }: WriteChange): boolean => patch === undefined;

interface StoreSinkOptions {
  /** Whether the sink throws for contents that are not as their digests say. Default: no. */
  readonly isProving?: boolean;
  /** Whether contents are only named: these are on this machine already, and are not kept. Default: no. */
  readonly isNamed?: () => boolean;
}

/** The sink; what it is given is kept as well. */
export function withStore(
  sink: TreeSink,
  store: Contents | undefined,
  { isProving = false, isNamed = () => false }: StoreSinkOptions = {},
): TreeSink {
  if (store === undefined) return sink;
  let writer: ContentWriter | undefined;
  return {
    ...passingTo(sink),
    whole: (change, content, sha256, isProved) => {
      sink.whole(change, content, sha256, isProved);
      if (!isWhole(change) || isProved === true || isNamed()) return;
      if (isProving || hash('sha256', content, 'hex') === sha256) store.put(sha256, content);
    },
    open: (change) => {
      writer?.drop();
      writer = isWhole(change) && !isNamed() ? store.begin() : undefined;
      sink.open(change);
    },
    content: (piece) => {
      sink.content(piece);
      writer?.write(piece);
    },
    close: (sha256) => {
      sink.close(sha256);
      writer?.end(sha256);
      writer = undefined;
    },
  };
}
