// What the thread that keeps the trees and its owner tell each other; each job has a channel of its own.
import type { FailureMessage } from '../../worker/thread-messages.ts';

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
  /** With `dir` being empty, of all that was pushed, by paths relative to the work dir. */
  | { readonly kind: 'differences' }
  | { readonly kind: 'chunks'; readonly path: string }
  | ({ readonly kind: 'apply' } & ChangeOptions)
  /** Gives a tree stream of these paths, or of everything. */
  | {
      readonly kind: 'read';
      readonly paths: readonly string[] | undefined;
      readonly isNamed: boolean;
      /** Whether a file that cannot be read is given up, and a path that is not there any more left out. */
      readonly givesUpFiles: boolean;
    }
);

/** To the thread: a piece of what the job takes, its end, that there will be none; that a piece given was used; memory of such. */
export type ToTreeThread = Uint8Array | 'end' | 'stop' | 'next' | ArrayBuffer;

/** From the thread: a piece was used up, and its memory; a piece of what the job gives; or the job is over. */
export type FromTreeThread =
  | { readonly taken: number; readonly memory: ArrayBuffer }
  | { readonly piece: Uint8Array }
  /** Of files of a stream that names them, in its order, each with a newline; the first time none. */
  | { readonly digests: string }
  | { readonly done: unknown }
  | { readonly failed: FailureMessage };
