// The interface of a store.

/** Contents by their SHA-256, in lower-case hex. */
export interface Contents {
  /** Where it is on disk. */
  readonly directory: string | undefined;
  has(digest: string, size: number): boolean;
  /** The content, or undefined when it is not complete. For contents that fit into memory. */
  get(digest: string, size: number): Buffer | undefined;
  /** The content in pieces, each valid until the next; the reader verifies the digest, and calls `damaged` if it is wrong. */
  read(digest: string, size: number): Iterable<Buffer> | undefined;
  damaged(digest: string): void;
  /** Stores a content with a verified digest, if possible. */
  put(digest: string, content: Buffer): void;
  /** Stores a content that arrives in pieces. */
  begin(): ContentWriter;
  /** Writes buffered contents to disk. */
  flush(): void;
}

export interface ContentWriter {
  write(piece: Buffer): void;
  /** Stores the content if it has this digest. */
  end(digest: string): void;
  drop(): void;
}

/** A store that is always empty. */
export const noContents: Contents = {
  directory: undefined,
  has: () => false,
  get: () => undefined,
  read: () => undefined,
  damaged: () => undefined,
  put: () => undefined,
  begin: () => ({ write: () => undefined, end: () => undefined, drop: () => undefined }),
  flush: () => undefined,
};
