// What runs take.
import type { Writable } from 'node:stream';
import type { CallOptions } from '../../client/client-options.ts';
import type { GomoteError } from '../../errors.ts';
import type { Standstill, TerminalRequest } from '../../protocol/session.ts';
import type { Source } from '../sources.ts';
import type { CommandOptions } from './request.ts';

/** Where the output of a run goes, and how much of it is kept. */
export interface OutputOptions {
  /** Gets its standard output as well, as bytes; a slow one slows the command. It is not ended. */
  readonly stdout?: Writable | undefined;
  /** Gets its standard error in the same way. */
  readonly stderr?: Writable | undefined;
  /** How much of each output is kept for the result, in bytes. Default 64 MiB. */
  readonly maxBuffer?: number | undefined;
  /** Called when its processes stand still, with why, and with undefined when they go on. */
  readonly onStandstill?: ((standstill: Standstill | undefined) => void) | undefined;
  /** Called once an outage that the connection was lost and is being made again. */
  readonly onLost?: ((error: GomoteError) => void) | undefined;
}

/** What `run` takes. */
export interface RunOptions extends CommandOptions, OutputOptions, CallOptions {
  /** What the command gets on its standard input. Default: nothing. */
  readonly stdin?: Source | undefined;
  /** The terminal on which it runs; then stdout has both outputs. Default: none. */
  readonly tty?: TerminalRequest | undefined;
  /**
   * Where a bundle is written when the command fails, or when nobody knows how it ended: its output, status and circumstances,
   * for `gomote doctor`. When it cannot be written, the run fails with ERR_LOCAL_FILE. Default: nowhere.
   */
  readonly bundleOnFailure?: string | undefined;
  /** By which `attach` finds the run; starting the same id twice starts it once. Default: a fresh one. */
  readonly id?: string | undefined;
  /**
   * A regular expression of the syntax of Go: when a line of the output matches, the processes stop, and the limits of time
   * with them, until `kill('SIGCONT')`. ERR_UNSUPPORTED where the buildlet cannot do that.
   */
  readonly breakOn?: string | undefined;
  /** Ends the command, with its whole process group; the run then fails with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}

/** What `shell` takes. */
export interface ShellOptions
  extends Omit<RunOptions, 'tty' | 'system'>,
    Partial<TerminalRequest> {}

/** What `attach` takes. */
export interface AttachOptions extends OutputOptions, CallOptions {
  /** Where in the log to begin; `end`: only what is still to come. Default 0. */
  readonly from?: number | 'end' | undefined;
  /** How long a lost connection is tried again, in ms. Default 5 minutes. */
  readonly reconnectMs?: number | undefined;
  /** Ends the reading; the command goes on. */
  signal?: AbortSignal | undefined;
}
