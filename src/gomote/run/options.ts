// The options of runs.
import type { Writable } from 'node:stream';
import type { CallOptions } from '../../client/client-options.ts';
import type { GomoteError } from '../../errors.ts';
import type { Standstill, TerminalRequest } from '../../protocol/session.ts';
import type { Source } from '../sources.ts';
import type { CommandOptions } from './request.ts';

/** Where the output of a run is written, and how much of it is kept. */
export interface OutputOptions {
  /** Also receives standard output, as bytes; a slow stream slows the command. The stream is not ended. */
  readonly stdout?: Writable | undefined;
  /** The same for standard error. */
  readonly stderr?: Writable | undefined;
  /** How much of each output is kept for the result, in bytes. Default 64 MiB. */
  readonly maxBuffer?: number | undefined;
  /** Called with each piece of output, in the order of the log. The bytes are valid only during the call. */
  readonly onOutput?: ((bytes: Buffer, stream: 'stdout' | 'stderr') => void) | undefined;
  /** Called in place of output that the buildlet dropped before it could be read. */
  readonly onGap?: ((bytes: number, stream: 'stdout' | 'stderr') => void) | undefined;
  /** Called with the reason when its processes are stopped, and with undefined when they continue. */
  readonly onStandstill?: ((standstill: Standstill | undefined) => void) | undefined;
  /** Called once for each outage, when the connection is lost and being reopened. */
  readonly onLost?: ((error: GomoteError) => void) | undefined;
}

/** The options of `run`. */
export interface RunOptions extends CommandOptions, OutputOptions, CallOptions {
  /** The standard input of the command. Default: empty. */
  readonly stdin?: Source | undefined;
  /** Runs the command on a terminal; stdout then has both outputs. Default: none. */
  readonly tty?: TerminalRequest | undefined;
  /**
   * Where to write a bundle when the command fails or its outcome is unknown: output, status and circumstances,
   * for `gomote doctor`. When it cannot be written, the run fails with ERR_LOCAL_FILE. Default: not written.
   */
  readonly bundleOnFailure?: string | undefined;
  /** The id for `attach`; starting the same id twice starts one run. Default: a new id. */
  readonly id?: string | undefined;
  /**
   * A regular expression in Go's syntax: when a line of the output matches, the processes and the time limits stop
   * until `kill('SIGCONT')`. ERR_UNSUPPORTED where the buildlet cannot do that.
   */
  readonly breakOn?: string | undefined;
  /** Ends the command with its process group; the run then fails with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}

/** The options of `shell`. */
export interface ShellOptions
  extends Omit<RunOptions, 'tty' | 'system'>,
    Partial<TerminalRequest> {}

/** The options of `attach`. */
export interface AttachOptions extends OutputOptions, CallOptions {
  /** Where in the log to begin, in bytes; `end`: only new output. Default 0. */
  readonly from?: number | 'end' | undefined;
  /** How long to try to reopen a lost connection, in ms. Default 5 minutes. */
  readonly reconnectMs?: number | undefined;
  /** Stops reading; the command continues. */
  signal?: AbortSignal | undefined;
}
