// The jobs of the thread that keeps the trees pushed into a work directory.

/** What a change is made to, and how. */
export interface ChangeOptions {
  readonly generation: string;
  /** The last moment at which a command ran. */
  readonly ranMs: number;
  /** Whether an entry that alone cannot be made is left out and named in the reply. */
  readonly givesUpEntries: boolean;
  /** Whether a directory makes room for a file or link even with something in it, where entries are given up. */
  readonly replacesDirectories: boolean;
}

/** A job, with the directory it is about, in plain form. */
export type TreeJob = { readonly dir: string } & (
  | { readonly kind: 'state'; readonly all: boolean }
  /** For a pull, without `.git`. */
  | { readonly kind: 'manifest'; readonly all: boolean; readonly isPull: boolean }
  /** With `dir` being empty, of all that was pushed, by paths relative to the work directory. */
  | { readonly kind: 'differences' }
  | { readonly kind: 'chunks'; readonly path: string }
  /** Reads a tree stream. Its events are the digests of files that it copies, each with a newline; the first is empty. */
  | ({ readonly kind: 'apply' } & ChangeOptions)
  /** Returns a tree stream of these paths, or of everything. */
  | {
      readonly kind: 'read';
      readonly paths: readonly string[] | undefined;
      readonly isNamed: boolean;
      /** Whether a file that cannot be read is given up, and a path that is not there any more left out. */
      readonly givesUpFiles: boolean;
    }
);
