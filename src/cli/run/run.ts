// The state of one `gomote run`, shared by its parts.
import type { Buildlet } from '../../gomote/buildlet.ts';
import type { OutputRecorder } from '../../gomote/failure/recorder.ts';
import type { Context } from '../context.ts';
import type { OutputFile } from './output-file.ts';
import type { OutputTap } from './output-taps.ts';
import type { RunOptions } from './run-options.ts';
import type { RunRecord } from './run-report.ts';

export interface CommandToRun {
  readonly name: string;
  readonly cmd: string;
  readonly args: readonly string[];
}

/** A run of the command line: what runs where, and what is known so far. */
export interface Run {
  readonly buildlet: Buildlet;
  readonly command: CommandToRun;
  readonly dir: string;
  readonly options: RunOptions;
  readonly context: Context;
  readonly record: RunRecord;
  /** Whether the buildlet ends when the command is left. */
  readonly endsBuildlet?: boolean | undefined;
  /** Another place that its output is copied to, from the beginning. */
  readonly output?: OutputFile | undefined;
  /** What keeps what it writes, should it fail. */
  readonly recorder?: OutputRecorder | undefined;
}

export interface Round {
  readonly taps: readonly OutputTap[];
  /** The longest that it may take, in ms. */
  readonly timeoutMs?: number | undefined;
}
