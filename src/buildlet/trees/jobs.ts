// The jobs of the thread that keeps the trees pushed into a work directory.
import type { StoreAt } from '../../protocol/stored.ts';
import type { KnownHead } from '../../protocol/tree-change.ts';
import type { Thread } from '../../worker/thread.ts';

/** The target and the options of a change. */
export interface ChangeOptions {
  readonly generation: string;
  /** The last time at which a command ran. */
  readonly ranAtMs: number;
  /** Whether an entry that cannot be created is skipped and named in the reply. */
  readonly givesUpEntries: boolean;
  /** Whether a file or link may replace a non-empty directory, when entries may be skipped. */
  readonly replacesDirectories: boolean;
}

/** Whether the store of a coordinator on this host can be read. */
export interface ReachJob {
  readonly kind: 'reach';
  readonly at: StoreAt;
}

/**
 * Makes a copy of the tree that was pushed last ahead, out of the store of a coordinator on this host, else of the
 * buildlet's own. To `drop` it comes before all jobs that are sent later.
 */
export type PrepareJob =
  | { readonly kind: 'prepare'; readonly storeAt: StoreAt | undefined }
  | { readonly kind: 'drop' };

/** The question which contents of a head the store has; it reads the head, if that is sent. */
export type StoreJob = { readonly kind: 'stored' } & KnownHead;

/** A job, with the directory it is about, in plain form. */
export type TreeJob = { readonly dir: string } & (
  | {
      readonly kind: 'state';
      readonly all: boolean;
      /** The last time at which a command ran. */
      readonly ranAtMs: number;
    }
  /** For a pull, without `.git`. */
  | {
      readonly kind: 'manifest';
      readonly all: boolean;
      readonly isPull: boolean;
      /** Of the copy that was made ahead. */
      readonly isPrepared: boolean;
    }
  /** With `dir` being empty, of all that was pushed, by paths relative to the work directory. */
  | { readonly kind: 'differences' }
  | { readonly kind: 'chunks'; readonly path: string }
  /** Commands ran during a change: they may have changed what it wrote before the clock showed another time. */
  | { readonly kind: 'doubt' }
  /** Applies a tree stream. Its events are the digests of copied files, each with a newline; the first is empty. */
  | ({
      readonly kind: 'apply';
      /** The store of a coordinator on this host, which has what the stream leaves out. */
      readonly storeAt: StoreAt | undefined;
      /** The digest of the copy that was made ahead, if the change begins with it. */
      readonly prepared: string | undefined;
    } & ChangeOptions)
  /** Returns a tree stream of these paths, or of everything. */
  | {
      readonly kind: 'read';
      readonly paths: readonly string[] | undefined;
      readonly isNamed: boolean;
      /** Whether unreadable files are given up, and missing paths omitted. */
      readonly givesUpFiles: boolean;
    }
);

/** The thread that does all of them. */
export type TreeThread = Thread<TreeJob | StoreJob | ReachJob | PrepareJob>;
