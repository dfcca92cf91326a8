// Limits on what either end reads from the other about trees. Exceeding one is an error, before memory is used.

export const treeLimits = {
  /** Entries of a tree, and changes of all parts of a stream together. */
  entries: 2_000_000,
  /** Of a path, and of a link's target, in UTF-16 units: Linux takes 4,096 bytes at a time. */
  pathLength: 32 << 10,
  /** Of a patch, which has two numbers for each 16 KiB of a file at most. */
  patchLength: 32 << 20,
  /** The head of a part of a stream. */
  headBytes: 64 << 20,
  /** The heads of all parts together. */
  headsBytes: 256 << 20,
  /** A list of entries or of differences, or the chunks of a file, unpacked. */
  listBytes: 256 << 20,
  /** Any other reply, unpacked. */
  replyBytes: 64 << 10,
} as const;
