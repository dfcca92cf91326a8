// What the calls of a session take and give.
import type { GomoteError } from '../../errors.ts';
import type { SessionEnd, Standstill } from '../../protocol/session.ts';
import type { LogOutputs } from './log-outputs.ts';

/** What `read` takes. */
export interface SessionReadOptions extends LogOutputs {
  /** The log's offset to read from; `end`: only what is still to come. Default 0. */
  from?: number | 'end' | undefined;
  /** Neither slow the command nor keep it alive by reading. Default false. */
  observe?: boolean | undefined;
  /** Called once for each outage, when the connection is lost and being reopened. */
  onLost?: ((error: GomoteError) => void) | undefined;
  /** Ends the reading, which then fails with ERR_ABORTED; the session continues. */
  signal?: AbortSignal | undefined;
}

/** What `read` gives: how the run ended, and whether all of its output came. */
export interface SessionResult {
  /** How it ended. */
  readonly end: SessionEnd;
  /** Whether the outputs got all that the command wrote, proved by its counts and digests. */
  readonly isWhole: boolean;
  /** How many bytes had been dropped from the log before they could be read. */
  readonly lostBytes: number;
}

/** What the calls of a session share. */
export interface SessionOptions {
  /** How long a connection that broke is tried again, in ms. Default 5 minutes. 0: not at all; Infinity: forever. */
  reconnectMs?: number | undefined;
  /** How often each side is heard from, in ms. Default 10 s, which is also the most. */
  pingMs?: number | undefined;
  /**
   * Whether the command may be some 16 MiB ahead of a slow reader, as it is when the client shares its files with the
   * buildlet and reads long output out of those of the log. Default true.
   */
  runAhead?: boolean | undefined;
  /** Whether to ask when the output was written, for `edit`. Default false. Buildlets without the feature `times` do not tell. */
  times?: boolean | undefined;
  /** Called with the reason when its processes are stopped, and with undefined when they continue. */
  onStandstill?: ((standstill: Standstill | undefined) => void) | undefined;
}
