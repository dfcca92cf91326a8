// Where the output of a run goes.
import type { Writable } from 'node:stream';

/** What a reader of a log does with the output. */
export interface LogOutputs {
  /** Not ended; a slow one slows the command. Absent: discarded. */
  readonly stdout?: Writable | undefined;
  /** As for `stdout`. */
  readonly stderr?: Writable | undefined;
  /**
   * Whether the outputs need a chunk no more once they have called back for it: then its memory is used for the next.
   * Default false: they may keep chunks.
   */
  readonly mayReuseBuffer?: boolean | undefined;
  /**
   * Gives what is written to an output in place of the bytes that came for it. `atMs`: when the command wrote them, in ms
   * since 1970, if the session asks for times and the buildlet tells them. Counts and digests are those of what came.
   */
  readonly edit?:
    | ((bytes: Buffer, stream: 'stdout' | 'stderr', atMs: number | undefined) => Uint8Array)
    | undefined;
  /** Called in place of output that was dropped from the log before it could be read. */
  readonly onGap?: ((bytes: number, stream: 'stdout' | 'stderr') => void) | undefined;
}
