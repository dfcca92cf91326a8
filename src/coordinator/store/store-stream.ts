// A tree stream on its way from a client to a machine, through the store.

export interface StoreStream {
  /** Contents that came from the store, the bytes in them, and contents that came in the stream. */
  readonly counts: { readonly hits: number; readonly hitBytes: number; readonly misses: number };
  /** What a piece of the stream becomes. Throws ERR_LOST for what is no tree stream. */
  take(piece: Buffer): Iterable<Buffer>;
  /** The end of the stream. Throws ERR_LOST when it was not whole. */
  end(): Iterable<Buffer>;
}
