// A change of a tree while it is being received.
import type { RefusedEntry } from '../../protocol/tree-replies.ts';

/** A change being received. `end` or `abandon` must be called. */
export interface RunningChange {
  push(piece: Buffer): void;
  /**
   * To be gone through after each piece of a stream that names its contents; it is short of time between its steps. Gives
   * the digests of the files that were copied since, each with a newline.
   */
  copy(): Generator<string, void, void>;
  end(): { digest: string; files: number; bytes: number; refused: readonly RefusedEntry[] };
  abandon(reason?: Error): void;
}
