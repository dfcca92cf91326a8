// What a tree stream drives, step by step.
import type { TreeChange, WriteChange } from '../protocol/tree-change.ts';

export interface TreeSink {
  /** The changes of a part of the stream, before they are applied, and the part's head. A throw refuses them. */
  begin(changes: readonly TreeChange[], head: Buffer): void;
  /** A change that has no content. */
  apply(change: TreeChange): void;
  /** A file with its content in one chunk; `isProved`: its digest is verified already. */
  whole(change: WriteChange, content: Buffer, sha256: string, isProved?: boolean): void;
  /** A file whose content arrives in chunks, until `close`. */
  open(change: WriteChange): void;
  content(piece: Buffer): void;
  close(sha256: string): void;
  /** A file that its sender could not read; it may be open. Absent: that is an error. */
  giveUp?(change: WriteChange, reason: string): void;
  /** A file whose content a store has. Absent: it is taken from the store of who reads the stream. */
  stored?(change: WriteChange): void;
  /**
   * Called when all contents are copied on this machine: they are not verified, and their digests may be empty where
   * they are not needed.
   */
  trust(): void;
}

/** A sink that passes everything on, for one that changes or sees some of it. */
export const passingTo = (sink: TreeSink): TreeSink => ({
  begin: (changes, head) => sink.begin(changes, head),
  apply: (change) => sink.apply(change),
  trust: () => sink.trust(),
  whole: (...file) => sink.whole(...file),
  open: (change) => sink.open(change),
  content: (piece) => sink.content(piece),
  close: (sha256) => sink.close(sha256),
  ...(sink.stored && { stored: (change) => sink.stored?.(change) }),
  ...(sink.giveUp && { giveUp: (change, reason) => sink.giveUp?.(change, reason) }),
});
