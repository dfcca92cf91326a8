// What others need of a store.

/** Contents by their SHA-256, in lower-case hex. */
export interface Contents {
  has(digest: string, size: number): boolean;
  /** The content, or undefined when it is not there whole. For contents that fit into memory. */
  get(digest: string, size: number): Buffer | undefined;
  /** The content in pieces, which hold until the next one; the reader proves it, and says when it is `damaged`. */
  read(digest: string, size: number): Iterable<Buffer> | undefined;
  damaged(digest: string): void;
  /** Keeps a content, if that can be done. Its digest is proved. */
  put(digest: string, content: Buffer): void;
  /** Keeps a content that comes in pieces. */
  begin(): ContentWriter;
  /** Writes what is still in memory. */
  flush(): void;
}

export interface ContentWriter {
  write(piece: Buffer): void;
  /** Keeps it, if it has this digest. */
  end(digest: string): void;
  drop(): void;
}

/** A store that has nothing and keeps nothing. */
export const noContents: Contents = {
  has: () => false,
  get: () => undefined,
  read: () => undefined,
  damaged: () => undefined,
  put: () => undefined,
  begin: () => ({ write: () => undefined, end: () => undefined, drop: () => undefined }),
  flush: () => undefined,
};
