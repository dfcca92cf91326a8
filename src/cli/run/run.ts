// A run of the command line, as its parts know it.
import type { Buildlet } from '../../gomote/buildlet.ts';
import type { Context } from '../context.ts';
import type { OutputFile } from './output-file.ts';
import type { OutputTap } from './output-taps.ts';
import type { RunOptions } from './run-options.ts';
import type { RunRecord } from './run-report.ts';

export interface CommandToRun {
  /** The buildlet, as the user names it. */
  readonly name: string;
  readonly cmd: string;
  readonly args: readonly string[];
}

/** A run of the command line: what runs where, and what is known of it so far. */
export interface Run {
  readonly buildlet: Buildlet;
  readonly command: CommandToRun;
  /** Where it runs, relative to the work directory. */
  readonly dir: string;
  readonly options: RunOptions;
  readonly context: Context;
  readonly record: RunRecord;
  /** Whether the buildlet ends when the command is left. */
  readonly endsBuildlet?: boolean | undefined;
  /** Where all that it writes goes besides, from its beginning. */
  readonly output?: OutputFile | undefined;
}

/** What one run of several has of its own. */
export interface Round {
  readonly taps: readonly OutputTap[];
  /** The longest that it may take, in ms. */
  readonly timeoutMs?: number | undefined;
}
